# Sourced: what is to be on the gateway, one entry a line, parents before what is in them:
#
#   KIND MODE PATH SOURCE SERVICE          (between them, a tab)
#
#   directory  MODE PATH -       -         removed at the end, where nothing else is in it
#   data       MODE PATH -       -         a directory that is never removed but by remove --purge
#   file       MODE PATH SOURCE  SERVICE   SERVICE is started again when the file changes
#   once       MODE PATH SOURCE  -         a file that is only made where none is, and then the operator's
#   there      MODE PATH -       -         a file of the operator's, which only gets its mode and owner
#   link       -    PATH TARGET  -
#   image      -    NAME ARCHIVE -         an image in the store of the runtime that was chosen
#
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

# want KIND MODE PATH SOURCE SERVICE
want() {
    case $3$4 in
    *"$tab"* | *"
"*) fail 64 "$3 has a tab or a line end in its name: that cannot be installed" ;;
    esac
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" >>"$work/wanted"
}

# want_again DIRECTORY: what an earlier run put into it and is still there.
want_again() {
    while IFS=$tab read -r kind mode path source service; do
        case $path in
        "$1"/*)
            [ "$kind" != file ] || source=$root$path
            is_wanted "$path" || ! there "$root$path" ||
                want "$kind" "$mode" "$path" "$source" "$service"
            ;;
        esac
    done <"$work/record"
}

# The whole list. It reads what `prepare_files` has put into $work/prepared.
want_everything() {
    : >"$work/wanted"
    want directory 0755 /etc/sapt - -
    want_commands
    want_models
    want_agent
    case $translator in
    service) want_translator_service ;;
    pod) want_translator_pod ;;
    esac
}

# The programs, and what they are looked after with when the bundle is gone.
want_commands() {
    if [ "$translator" = service ]; then
        want file 0755 /usr/local/bin/sapt "$bundle/bin/sapt" sapt
    else
        # For `sapt check`.
        want file 0755 /usr/local/bin/sapt "$bundle/bin/sapt" -
    fi
    want directory 0755 /usr/local/lib/sapt - -
    want directory 0755 /usr/local/lib/sapt/parts - -
    for each in remove logs status; do
        want file 0755 "/usr/local/lib/sapt/$each" "$bundle/$each" -
    done
    for each in "$bundle"/parts/*.sh; do
        want file 0644 "/usr/local/lib/sapt/parts/${each##*/}" "$each" -
    done
}

want_models() {
    want data 0755 "$models" - -
    want data 0755 "$models/data" - -
    want data 0755 "$models/aws" - -
    want data 0755 "$models/aws/certs" - -
    # A model and a picture to see it work with.
    for each in digit.bmp digits.tar.gz; do
        want once 0644 "$models/data/$each" "$bundle/data/$each" -
    done
    # The agent wants certificates read-only.
    if [ -z "$certificates" ]; then
        want_again "$models/aws/certs"
    else
        for each in "$certificates"/*; do
            [ ! -f "$each" ] ||
                want file 0444 "$models/aws/certs/${each##*/}" "$each" sagemaker_edge_agent
        done
    fi
    for each in "$root$models/aws/certs"/*; do
        [ ! -f "$each" ] || is_wanted "${each#"$root"}" || is_recorded "${each#"$root"}" ||
            want there 0444 "${each#"$root"}" - -
    done
}

want_agent() {
    want file 0644 /etc/sagemaker_agent.env "$work/prepared/agent/sagemaker_agent.env" \
        sagemaker_edge_agent
    want file 0644 /etc/neo_config.json "$work/prepared/agent/neo_config.json" sagemaker_edge_agent
    units=$bundle/units
    if [ "$agent" = vendor ]; then
        units=$bundle/units/vendor
        want_vendor_agent
    else
        want file 0755 /usr/local/bin/sapt-agent "$bundle/bin/sapt-agent" sagemaker_edge_agent
    fi
    # Below the models, where nothing else is said; then it has been wanted already.
    is_wanted "$captures" || want data 0700 "$captures" - -
    want_unit sagemaker_edge_agent "$units/sagemaker_edge_agent.service"
}

want_translator_service() {
    want file 0600 /etc/sapt/sapt.env "$work/prepared/service/sapt.env" sapt
    want_unit sapt "$bundle/units/sapt.service"
}

want_translator_pod() {
    for each in "$work/prepared/pod"/*; do
        want file 0600 "/etc/sapt/${each##*/}" "$each" -
    done
    archive=images/sapt-$version-$machine.oci.tar
    if [ -z "$root" ]; then
        want image - "sapt:$version-$machine" "$bundle/$archive" -
    else
        # The runtime of an image that is being built does not run.
        want directory 0755 /var/lib/sapt/images - -
        want file 0644 "/var/lib/sapt/$archive" "$bundle/$archive" -
    fi
}

# want_unit NAME FILE: the unit with its places filled, and started with the system.
want_unit() {
    sed -e "s|@MODELS@|$models|g" -e "s|@AGENT_DIRECTORY@|$agent_directory|g" \
        -e "s|@CAPTURES@|$captures|g" "$2" >"$work/$1.service"
    want file 0644 "/etc/systemd/system/$1.service" "$work/$1.service" "$1"
    want directory 0755 /etc/systemd/system/multi-user.target.wants - -
    want link - "/etc/systemd/system/multi-user.target.wants/$1.service" "../$1.service" -
}
