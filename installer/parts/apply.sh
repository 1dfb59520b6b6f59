# Sourced: does what is planned, so that it can be undone.
#
# Before each step $journal/steps gets a line that says how to undo it, and what is replaced or removed
# is copied into $journal. A run that fails undoes its own steps; those of a run that was killed are
# undone by the next one.
#
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

journal=

# begin_changes: from here on the run can be undone, and no other one can begin.
begin_changes() {
    take_lock
    mkdir -p "$root$state"
    journal=$root$state/undo
    if [ -d "$journal" ]; then
        warn "the run before was killed: undoing what it did"
        undo_changes
        journal=$root$state/undo
    fi
    mkdir -m 0700 "$journal"
    : >"$journal/steps"
}

# Where nothing outlives a start of the system, after which the number would be another process's.
take_lock() {
    lock=$root/run/sapt-installer
    if ! mkdir "$lock" 2>/dev/null; then
        holder=$(cat "$lock/process" 2>/dev/null || true)
        if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
            lock=
            fail 1 "another run is at work (process $holder): wait for it"
        fi
    fi
    echo $$ >"$lock/process"
}

# At the end of every run, whatever it came to.
release_lock() {
    [ -n "${lock:-}" ] || return 0
    rm -rf "$lock"
    lock=
    # Where nothing is installed, or no more.
    rmdir "$root$state" 2>/dev/null || true
}

# The run has done everything; there is no way back any more.
finish_changes() {
    sync
    rm -rf "$journal"
    journal=
}

# undo_step WORDS…: what undoes the next step, as fields of a line.
undo_step() {
    line=$1
    shift
    for each in "$@"; do
        line=$line$tab$each
    done
    printf '%s\n' "$line" >>"$journal/steps"
}

# Keeps what is at a path, or that nothing is there.
keep_for_undo() {
    if there "$1"; then
        number=$(wc -l <"$journal/steps" | tr -d ' ')
        cp -p -P "$1" "$journal/$number"
        undo_step restore "$number" "$1"
    else
        undo_step remove "$1"
    fi
}

apply_everything() {
    while IFS=$tab read -r action kind mode path source service; do
        at=$root$path
        case $action-$kind in
        make-directory | make-data) make_directory ;;
        own-*) own ;;
        make-link | replace-link) make_link ;;
        make-* | replace-*) place_file ;;
        import-image) import_image ;;
        discard-image) discard_image ;;
        remove-directory) rmdir_if_empty ;;
        remove-*) remove_file ;;
        # Below, when nothing can fail any more.
        purge-*) ;;
        keep-*) warn "$at was changed since it was installed: it is left where it is" ;;
        esac </dev/null
    done <"$work/plan"
}

make_directory() {
    undo_step rmdir "$at"
    # Only parents that every system has, or that are made before.
    mkdir -p "$at"
    chmod "$mode" "$at"
    chown 0:0 "$at"
}

rmdir_if_empty() {
    undo_step mkdir "$(stat -c %a "$at")" "$at"
    rmdir "$at" 2>/dev/null || true
}

remove_file() {
    keep_for_undo "$at"
    rm -f "$at"
}

own() {
    owner=$(stat -L -c %u:%g "$at")
    undo_step own "$(stat -L -c %a "$at")" "$owner" "$at"
    chmod "$mode" "$at"
    chown 0:0 "$at"
    # As the prototype's installation left it: all of it belongs to one user. The translator is root
    # without root's powers, and could not replace a model.
    if [ "$path" = "${models:-}" ] && [ "$owner" != 0:0 ]; then
        own_all
    fi
}

# Each has its own way back. A name with a line end would be two lines there: it stays whose it is.
own_all() {
    not_root() {
        find "$at/." -path "*
*" -prune -o "(" ! -user 0 -o ! -group 0 ")" -exec "$@" {} +
    }
    not_root stat -c "own-link$tab%u:%g$tab%n" >>"$journal/steps"
    not_root chown -h 0:0
}

make_link() {
    keep_for_undo "$at"
    mkdir -p "$(dirname "$at")"
    ln -s -f -n "$source" "$at"
}

# Whoever looks sees the old file or the new one, and a program that runs keeps its own.
place_file() {
    if [ "$action" = replace ] && ! is_recorded "$path" && ! there "$at.before-sapt"; then
        # Somebody else's.
        undo_step remove "$at.before-sapt"
        cp -p -P "$at" "$at.before-sapt"
        say "  what was at $at is now $at.before-sapt"
    fi
    keep_for_undo "$at"
    undo_step remove "$at.new-sapt"
    mkdir -p "$(dirname "$at")"
    cp "$source" "$at.new-sapt"
    chmod "$mode" "$at.new-sapt"
    chown 0:0 "$at.new-sapt"
    mv -f "$at.new-sapt" "$at"
}

# Removes the data, at last.
purge_data() {
    while IFS=$tab read -r action _ _ path _ _; do
        case $action-$path in
        purge-/ | purge-) ;;
        purge-*)
            # A mount point stays, empty, and so does what a link of the operator's leads to.
            at=$root$path
            rm -rf "${at:?}"/* "$at"/.[!.]* "$at"/..?*
            [ -L "$root$path" ] || rmdir "$root$path" 2>/dev/null ||
                say "  $root$path stays, empty: something is mounted there"
            ;;
        esac
    done <"$work/plan"
}

# Undoes the steps in the journal, the last one first. What cannot be undone is told.
undo_changes() {
    tac "$journal/steps" | while IFS=$tab read -r step first second third; do
        case $step in
        remove) rm -f "$first" ;;
        rmdir) rmdir "$first" 2>/dev/null || true ;;
        mkdir) [ -d "$second" ] || mkdir -m "$first" "$second" ;;
        restore) rm -rf "$second" && cp -p -P "$journal/$first" "$second" ;;
        own) chmod "$first" "$third" && chown "$second" "$third" ;;
        own-link) chown -h "$first" "$second" ;;
        image) remove_image "$first" "$second" ;;
        service) undo_service "$first" "$second" ;;
        esac </dev/null || warn "cannot undo: $step $first $second"
    done
    restore_services
    rm -rf "$journal"
    journal=
}

# The end of a run, by itself or by a signal: what was not finished is undone.
end_run() {
    code=$?
    trap - EXIT
    trap '' HUP INT TERM
    set +e
    if [ -n "$journal" ]; then
        warn "not done: undoing what this run did"
        undo_changes
        warn "everything is as it was before"
    fi
    release_lock
    rm -rf "$work"
    exit "$code"
}

# What is on the gateway from now on, for the next run.
write_record() {
    record_wanted
    if [ ! -f "$root$state/installed" ] || ! same "$work/new-record" "$root$state/installed"; then
        keep_for_undo "$root$state/installed"
        cp "$work/new-record" "$root$state/installed.new"
        mv -f "$root$state/installed.new" "$root$state/installed"
    fi
}

record_wanted() {
    : >"$work/new-record"
    while IFS=$tab read -r kind mode path source service; do
        case $kind in
        file) source=$(digest "$source") ;;
        once) source=- ;;
        there) continue ;;
        image) source="$runtime $(digest "$source")" ;;
        directory)
            # One that was there before is not this installation's.
            grep -Fxq -- "make${tab}$kind${tab}$mode${tab}$path${tab}$source${tab}$service" \
                "$work/plan" || is_recorded "$path" || continue
            ;;
        esac
        printf '%s\t%s\t%s\t%s\t%s\n' "$kind" "$mode" "$path" "$source" "$service" \
            >>"$work/new-record"
    done <"$work/wanted"
}

same() {
    [ "$(digest "$1")" = "$(digest "$2")" ]
}
