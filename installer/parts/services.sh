# Sourced: the services, where systemd runs.
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

# Whether services can be started: not in another root, nor where an image is built in a chroot.
systemd_runs() {
    [ -z "$root" ] && [ -d /run/systemd/system ]
}

is_active() {
    systemctl is-active --quiet "$1"
}

# Starts what is planned to be started. Returns when it serves.
start_services() {
    systemd_runs || return 0
    if cut -f 4 "$work/plan" | grep -q '^/etc/systemd/system/'; then
        systemctl daemon-reload
    fi
    while read -r start unit; do
        undo_step service "$unit" "$(activity "$unit")"
        systemctl "$start" "$unit" 2>/dev/null </dev/null || {
            warn "$unit does not start; it says:"
            journalctl -u "$unit" -n 15 -o cat --no-pager >&2 </dev/null || true
            return 1
        }
    done <"$work/starts"
}

activity() {
    if is_active "$1"; then echo active; else echo inactive; fi
}

# Ends services whose units are about to go.
stop_services() {
    systemd_runs || return 0
    for unit in sapt.service sagemaker_edge_agent.service; do
        if is_recorded "/etc/systemd/system/$unit" &&
            ! is_wanted "/etc/systemd/system/$unit" && is_active "$unit"; then
            undo_step service "$unit" active
            say "  stop $unit"
            systemctl stop "$unit"
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
        active) systemctl restart "$unit" </dev/null || warn "$unit does not start again" ;;
        *)
            systemctl stop "$unit" </dev/null 2>/dev/null || true
            systemctl reset-failed "$unit" </dev/null 2>/dev/null || true
            ;;
        esac
    done <"$work/undone-services"
    rm -f "$work/undone-services"
}
