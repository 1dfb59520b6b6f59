# Sourced: what differs between what is wanted, what was installed and what is there.
#
# What was installed is in the record, $root/var/lib/sapt/installed, in the form of wanted.sh, with
# a file's digest in place of its source. The plan is $work/plan, one action a line:
#
#   ACTION KIND MODE PATH SOURCE SERVICE
#
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

state=/var/lib/sapt

read_record() {
    : >"$work/record"
    [ ! -f "$root$state/installed" ] || cp "$root$state/installed" "$work/record"
}

plan_everything() {
    : >"$work/plan"
    while IFS=$tab read -r kind mode path source service; do
        plan_entry
    done <"$work/wanted"
    # What was installed and is wanted no more; what is in a directory before the directory.
    tac "$work/record" >"$work/record-backwards"
    while IFS=$tab read -r kind mode path source service; do
        is_wanted "$path" || plan_removal
    done <"$work/record-backwards"
    plan_services >"$work/starts"
}

planned() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$kind" "$mode" "$path" "$source" "$service" >>"$work/plan"
}

plan_entry() {
    at=$root$path
    case $kind in
    directory | data)
        if [ -d "$at" ]; then
            is_owned "$at" || planned own
        elif there "$at"; then
            fail 1 "$at is there and is not a directory: move it away"
        else
            planned make
        fi
        ;;
    file | once)
        if [ -d "$at" ]; then
            fail 1 "$at is a directory, and a file is wanted there: move it away"
        elif ! there "$at"; then
            planned make
        elif [ "$kind" = once ]; then
            :
        elif [ ! -f "$at" ] || [ -L "$at" ] || [ "$(digest "$at")" != "$(digest "$source")" ]; then
            planned replace
        elif ! is_owned "$at"; then
            planned own
        fi
        ;;
    there) is_owned "$at" || planned own ;;
    link)
        if [ ! -L "$at" ] && [ -e "$at" ]; then
            planned replace
        elif [ "$(readlink "$at" || true)" != "$source" ]; then
            planned make
        fi
        ;;
    image)
        if ! has_image "$runtime" "$path" || [ "$(recorded "$path")" != "$runtime $(digest "$source")" ]; then
            planned import
        fi
        ;;
    esac
}

# Reads kind and so on of an entry of the record.
plan_removal() {
    at=$root$path
    case $kind in
    data) [ -z "$purge" ] || ! there "$at" || planned purge ;;
    # With the data that it lies among.
    once) ;;
    directory) ! there "$at" || planned remove ;;
    file)
        if ! there "$at"; then
            :
        elif [ -n "$purge" ] || [ "$(digest "$at")" = "$source" ]; then
            planned remove
        else
            planned keep
        fi
        ;;
    link) [ "$(readlink "$at" || true)" != "$source" ] || planned remove ;;
    image) ! has_image "${source%% *}" "$path" || planned discard ;;
    esac
}

# Whether mode and owner are as they are wanted. A directory that others have there keeps its mode.
is_owned() {
    found=$(stat -L -c '%a %u:%g' "$1")
    case $kind in
    directory) is_recorded "$path" || return 0 ;;
    esac
    [ "$found" = "${mode#0} 0:0" ]
}

is_wanted() {
    cut -f 3 "$work/wanted" | grep -Fxq -- "$1"
}

is_recorded() {
    cut -f 3 "$work/record" | grep -Fxq -- "$1"
}

# What the record has as the source of a path.
recorded() {
    while IFS=$tab read -r _ _ known known_source _; do
        [ "$known" != "$1" ] || printf '%s\n' "$known_source"
    done <"$work/record"
}

# Prints the plan for people.
print_plan() {
    sed -n '/^purge/p' "$work/plan" | cut -f 4 >"$work/purged"
    while IFS=$tab read -r action kind mode path source service; do
        case $action in
        make | replace)
            case $kind in
            link) say "  $action $path, a link to $source" ;;
            directory | data) say "  $action $path/ ($mode)" ;;
            *) say "  $action $path ($mode)" ;;
            esac
            ;;
        own) say "  own $path: root:root $mode, is $(stat -L -c '%U:%G %a' "$root$path")" ;;
        import) say "  import image $path into $runtime" ;;
        discard) say "  remove image $path from ${source%% *}" ;;
        purge)
            # Once for what is in one another.
            grep -Fxq -- "$(dirname "$path")" "$work/purged" ||
                say "  remove $path with everything in it"
            ;;
        keep) say "  keep $path: it was changed since it was installed" ;;
        *) say "  $action $path" ;;
        esac
    done <"$work/plan"
    sed 's/^/  /' "$work/starts"
}

# The services that are to run: what changed is started again, what does not run is started.
plan_services() {
    systemd_runs || return 0
    for unit in sagemaker_edge_agent sapt; do
        if ! is_wanted "/etc/systemd/system/$unit.service"; then
            :
        elif ! is_active "$unit"; then
            say "start $unit.service"
        elif cut -f 6 "$work/plan" | grep -Fxq -- "$unit"; then
            say "restart $unit.service"
        fi
    done
}
