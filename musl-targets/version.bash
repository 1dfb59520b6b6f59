# Sourced: what the sources are that something is made of.
# shellcheck shell=bash

# version_of CARGO_TOML: of the package that it describes.
version_of() {
    sed -n '/^version = "/ { s///; s/".*//p; q }' "$1"
}

# The commit, or `unknown` in a copy without its history; what differs from it is said.
revision() {
    local commit changed=
    if commit=$(git rev-parse HEAD 2>/dev/null); then
        git diff --quiet HEAD || changed=-changed
        echo "$commit$changed"
    else
        echo unknown
    fi
}

# The time that files get, in seconds: the commit's, so that the same sources give the same bytes.
source_date_epoch() {
    echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
}
