# Sourced: the services, where systemd runs.
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

# Whether services can be started: not in another root, nor where an image is built in a chroot.
systemd_runs() {
    [ -z "$root" ] && [ -d /run/systemd/system ]
}

is_active() {
    systemctl is-active --quiet "$1.service"
}

# Has systemd start again what changed and start what does not run. Returns when it serves.
start_services() {
    systemd_runs || return 0
    if cut -f 4 "$work/plan" | grep -q '^/etc/systemd/system/'; then
        systemctl daemon-reload
    fi
    changed=$(changed_services)
    for unit in sagemaker_edge_agent sapt; do
        is_wanted "/etc/systemd/system/$unit.service" || continue
        case "
$changed
" in
        *"
$unit
"*) start_service restart "$unit" ;;
        *) is_active "$unit" || start_service start "$unit" ;;
        esac
    done
}

start_service() {
    undo_step service "$2" "$(activity "$2")"
    say "  $1 $2.service"
    systemctl "$1" "$2.service" 2>/dev/null || {
        warn "$2.service does not start; it says:"
        journalctl -u "$2.service" -n 15 -o cat --no-pager >&2 || true
        return 1
    }
}

activity() {
    if is_active "$1"; then echo active; else echo inactive; fi
}

# Ends services whose units are about to go.
stop_services() {
    systemd_runs || return 0
    for unit in sapt sagemaker_edge_agent; do
        if is_recorded "/etc/systemd/system/$unit.service" &&
            ! is_wanted "/etc/systemd/system/$unit.service" && is_active "$unit"; then
            undo_step service "$unit" active
            say "  stop $unit.service"
            systemctl stop "$unit.service"
        fi
    done
}

# The files are as they were before. Steps are undone backwards, so that the last of a service counts.
undo_service() {
    systemd_runs || return 0
    printf '%s\t%s\n' "$1" "$2" >>"$work/undone-services"
}

# To be called when all files are as they were.
restore_services() {
    [ -f "$work/undone-services" ] || return 0
    systemctl daemon-reload || true
    while IFS=$tab read -r unit was; do
        case $was in
        active) systemctl restart "$unit.service" </dev/null || warn "$unit.service does not start again" ;;
        *)
            systemctl stop "$unit.service" </dev/null 2>/dev/null || true
            systemctl reset-failed "$unit.service" </dev/null 2>/dev/null || true
            ;;
        esac
    done <"$work/undone-services"
    rm -f "$work/undone-services"
}
