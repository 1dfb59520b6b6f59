# Sourced, with `fail` defined: `read_machine MACHINE` sets what musl-targets/machines says of it.
# shellcheck shell=bash disable=SC2034 # For who sources it.

read_machine() {
    local same_as=
    [[ -f musl-targets/machines/$1 ]] ||
        fail "no machine $1; there are: $(cd musl-targets/machines && echo *)"
    # Those that not every machine has.
    features=
    # shellcheck source=musl-targets/machines/armhf
    source "musl-targets/machines/$1"
    if [[ -n $same_as ]]; then
        read_machine "$same_as"
    fi
}
