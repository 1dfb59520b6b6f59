# Sourced: the image of the translator's Pod, in whatever container runtime the gateway has.
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

# choose_runtime [NAME]: the first that is there and answers, or this one.
choose_runtime() {
    for each in ${1:-docker snap-docker containerd podman}; do
        if answers "$each"; then
            runtime=$each
            return
        fi
    done
    fail 1 "${1:-none of docker, docker of the snap, containerd and podman} answers here;" \
        "start it, or see ./install --help for --runtime"
}

answers() {
    case $1 in
    docker) command -v docker && docker version ;;
    snap-docker) [ -x /snap/bin/docker ] && /snap/bin/docker version ;;
    containerd) command -v ctr && ctr version ;;
    podman) command -v podman && podman version ;;
    *) fail 64 "--runtime is docker, snap-docker, containerd or podman, not $1" ;;
    esac >/dev/null 2>&1 </dev/null
}

# in_runtime RUNTIME WORDS…: the command line that docker, its snap and podman share.
in_runtime() {
    case $1 in
    snap-docker) shift && /snap/bin/docker "$@" ;;
    *) "$@" ;;
    esac
}

# has_image RUNTIME NAME
has_image() {
    case $1 in
    # The kubelet's images are in this namespace, under whole names.
    containerd) ctr --namespace k8s.io images list --quiet | grep -Fxq -- "docker.io/library/$2" ;;
    *) in_runtime "$1" image inspect "$2" ;;
    esac >/dev/null 2>&1 </dev/null
}

# By standard input: a snap does not see all of the gateway's files.
import_image() {
    has_image "$runtime" "$path" || undo_step image "$runtime" "$path"
    case $runtime in
    containerd) ctr --namespace k8s.io images import - <"$source" ;;
    *) in_runtime "$runtime" load <"$source" ;;
    esac >/dev/null || fail 1 "$runtime does not take the image $path from $source"
}

discard_image() {
    remove_image "${source%% *}" "$path" || warn "the image $path stays: a container still uses it"
}

# remove_image RUNTIME NAME
remove_image() {
    case $1 in
    containerd) ctr --namespace k8s.io images remove "docker.io/library/$2" ;;
    *) in_runtime "$1" rmi "$2" ;;
    esac >/dev/null 2>&1 </dev/null
}
