# Sourced: the vendor's agent, as the operator has it, in a directory with bin/MACHINE and
# lib/MACHINE. It may not be passed on, and so no bundle has it.
# shellcheck shell=sh
# What the command that sources this, or another part, sets.
# shellcheck disable=SC2154

vendor=/opt/sagemaker_edge_agent
agent_program=sagemaker_edge_agent_binary

want_vendor_agent() {
    want directory 0755 /opt - -
    want directory 0755 $vendor - -
    want directory 0755 $vendor/bin - -
    want directory 0755 $vendor/lib - -
    if [ -z "$agent_dir" ]; then
        want_again $vendor
        return
    fi
    want file 0755 $vendor/bin/$agent_program "$agent_dir/bin/$vendor_machine/$agent_program" \
        sagemaker_edge_agent
    for each in "$agent_dir/lib/$vendor_machine"/*; do
        [ ! -f "$each" ] ||
            want file 0755 "$vendor/lib/${each##*/}" "$each" sagemaker_edge_agent
    done
    if [ -f "$root/etc/nv_tegra_release" ]; then
        want_tensorrt_links
    fi
}

# Which of the directory's machines is this gateway's; it is an operator's, not a bundle's word.
find_vendor_agent() {
    if [ -z "$agent_dir" ]; then
        [ -f "$root$vendor/bin/$agent_program" ] || fail 1 "the vendor's agent is gone from" \
            "$root$vendor: give it with --agent-dir again, or --agent-dir none for sapt-agent"
        return
    fi
    vendor_machine=
    for each in "$machine" "$(uname -m)" aarch64 arm64; do
        case $machine-$each in
        x86_64-a* | armhf-a*) ;;
        *) [ ! -f "$agent_dir/bin/$each/$agent_program" ] || vendor_machine=${vendor_machine:-$each} ;;
        esac
    done
    [ -n "$vendor_machine" ] || fail 64 "--agent-dir: there is no" \
        "$agent_dir/bin/$machine/$agent_program, which the vendor's archive has"
}

# The agent was linked with one TensorRT, and L4T may have another: for each of its libraries that
# the agent names and that is not there, a link to the newest that is.
want_tensorrt_links() {
    libraries=/usr/lib/aarch64-linux-gnu
    for each in "$agent_dir/bin/$vendor_machine/$agent_program" "$agent_dir/lib/$vendor_machine"/*; do
        [ ! -f "$each" ] || tr -c 'A-Za-z0-9_.' '\n' <"$each"
    done | grep -E '^libnv(infer|infer_plugin|parsers|onnxparser)\.so\.[0-9]+$' | sort -u \
        >"$work/tensorrt" || true
    while read -r name; do
        there "$root$libraries/$name" || want_tensorrt_link
    done <"$work/tensorrt"
}

want_tensorrt_link() {
    newest=
    for each in $(printf '%s\n' "$root$libraries/${name%.so.*}".so.* | sort -V); do
        ! there "$each" || newest=${each##*/}
    done
    if [ -n "$newest" ]; then
        # Among the agent's own libraries: the system's directory is its packages'.
        want link - "$vendor/lib/$name" "$libraries/$newest" sagemaker_edge_agent
    else
        warn "the agent wants $name, and $libraries has no version of it: install TensorRT"
    fi
}
