# shellcheck shell=bash
# What the benchmarks share. Sourced, not run.

# Twelve values of a server; all belong to the network namespace.
# shellcheck disable=SC2034 # used by those who source this
VALUES=(
    net.core.somaxconn=8192
    net.ipv4.tcp_fin_timeout=30
    net.ipv4.tcp_keepalive_intvl=30
    net.ipv4.tcp_keepalive_probes=5
    net.ipv4.tcp_keepalive_time=600
    net.ipv4.tcp_max_syn_backlog=4096
    net.ipv4.tcp_orphan_retries=3
    net.ipv4.tcp_retries2=10
    "net.ipv4.tcp_rmem=4096 131072 16777216"
    net.ipv4.udp_rmem_min=8192
    net.ipv4.udp_wmem_min=8192
    "net.ipv4.tcp_wmem=4096 16384 8388608"
)

# fail WHY [STATUS]: ends a measurement that cannot be made, with CANNOT where no status is given.
CANNOT=1
fail() {
    echo "${0##*/}: $1" >&2
    exit "${2:-$CANNOT}"
}

# take_options NAMES ARGUMENT...: puts the value of --NAME into the variable NAME; --check takes none, and makes it true.
take_options() {
    local known=" $1 " name
    shift
    while (($#)); do
        name=${1#--}
        [[ $1 == --* && $known == *" $name "* ]] || fail "unknown argument: $1" 64
        if [[ $name == check ]]; then
            printf -v check true
            shift
            continue
        fi
        (($# > 1)) || fail "$1 wants a value" 64
        printf -v "$name" %s "$2"
        shift 2
    done
}

# counts NAME...: each of these variables has to be a number above 0.
counts() {
    local name
    for name; do
        [[ ${!name} =~ ^[1-9][0-9]*$ ]] || fail "--$name wants a number above 0" 64
    done
}

# there_is PROGRAM: the program to measure has to be there.
there_is() {
    [[ -f $1 && -x $1 ]] || fail "no binary to measure: $1 (build it: cargo build --release)"
}
