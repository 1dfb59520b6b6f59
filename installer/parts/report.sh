# Sourced: words for the operator.
# shellcheck shell=sh

# The name of the command that runs; each sets its own.
command_name=${command_name:-sapt installer}

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s: %s\n' "$command_name" "$*" >&2
}

# fail CODE WORDS…: ends the run. What it did is undone by the trap of apply.sh.
fail() {
    code=$1
    shift
    warn "$*"
    exit "$code"
}

# The comment at the head of a command is its help.
print_help() {
    sed -n '2,/^set/ { /^#/ { s/^# \{0,1\}//; p; }; }' "$1"
}

digest() {
    sha256sum <"$1" | cut -c 1-64
}

# shellcheck disable=SC2034
tab=$(printf '\t')

there() {
    [ -e "$1" ] || [ -L "$1" ]
}
