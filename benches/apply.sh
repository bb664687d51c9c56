#!/usr/bin/env bash
# Measures what safety costs: `tune apply` of 12 values, with its journal on a real disk and in memory, against
# `sysctl -p` of the same 12 keys, which journals nothing, reads nothing back and keeps nothing for the next boot.
#
# Use: benches/apply.sh [--tune PATH] [--runs N] [--rounds N] [--check]
#
#   --tune PATH  the binary to measure, target/release/tune if not given
#   --runs N     runs of each command in a round, 30 if not given
#   --rounds N   rounds, 5 if not given
#   --check      exit with 1 if a limit is missed; otherwise figures never fail the script
#
# Everything happens in network and mount namespaces of its own, as root; the machine's settings are not touched. The
# journal and the boot file lie in target/bench-apply, on the disk of the checkout, and are removed in the end. Before
# each run the values are put back, which is not measured. A command's time is the median of the medians of its rounds,
# process start included. Limits:
#   syncs   20 calls of fsync and fdatasync for an apply
#   time    100 ms with the journal in memory (what a disk needs for its syncs is not ours)
#
# Needs the Debian packages hyperfine, iproute2, procps, strace and util-linux.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/lib.sh
source benches/lib.sh

LIMIT_SYNCS=20 LIMIT_MS=100

tune=target/release/tune runs=30 rounds=5 check=false

arguments=("$@")
take_options "tune runs rounds check" "$@"
counts runs rounds
tune=$(realpath "$tune")
there_is "$tune"

if [[ ${TUNE_BENCH_INSIDE-} != yes ]]; then
    [[ $EUID -eq 0 ]] || fail 'root is needed for namespaces of its own' 77
    mkdir -p target/bench-apply
    trap 'rm -rf target/bench-apply' EXIT
    TUNE_BENCH_INSIDE=yes unshare --mount --net --propagation private "$PWD/benches/apply.sh" "${arguments[@]}"
    exit
fi

# Inside. /etc/sysctl.d and the first state directory are on the disk, the second one is in memory.
[[ $(readlink /proc/self/ns/net) != "$(readlink /proc/1/ns/net)" ]] || fail 'still in the network namespace of the host'
scratch=$PWD/target/bench-apply
mkdir -p "$scratch/sysctl.d" "$scratch/disk"
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/memory /mnt/empty
mount --bind "$scratch/sysctl.d" /etc/sysctl.d
for directory in /usr/lib/sysctl.d /usr/local/lib/sysctl.d /run/sysctl.d; do
    [[ ! -d $directory ]] || mount --bind /mnt/empty "$directory"
done
: >/mnt/empty-file
mount --bind /mnt/empty-file /etc/sysctl.conf 2>/dev/null || true
ip link set lo up

printf '%s\n' "${VALUES[@]}" >/mnt/new.conf
for value in "${VALUES[@]}"; do
    key=${value%%=*}
    echo "$key=$(sysctl -n "$key" | tr '\t' ' ')"
done >/mnt/old.conf

# Prints the words of a command, quoted for a shell.
command_of() {
    case $1 in
        disk | memory)
            local state=$scratch/disk
            [[ $1 == disk ]] || state=/mnt/memory
            printf '%q ' "$tune" --state-dir "$state" set "${VALUES[@]}" --yes
            ;;
        sysctl) echo 'sysctl -p /mnt/new.conf' ;;
    esac
}

undo_of() {
    case $1 in
        disk) echo "$tune --state-dir $scratch/disk rollback --yes || true" ;;
        memory) echo "$tune --state-dir /mnt/memory rollback --yes || true" ;;
        sysctl) echo 'sysctl -p /mnt/old.conf' ;;
    esac
}

NAMES=(disk memory sysctl)
measure_round() {
    local name
    for name in "${NAMES[@]}"; do
        hyperfine --shell none --style none --warmup 2 --runs "$runs" --prepare "bash -c '$(undo_of "$name")'" \
            --export-csv /mnt/csv --command-name "$name" "$(command_of "$name")" >/dev/null 2>/mnt/errors ||
            fail "hyperfine failed on $name: $(cat /mnt/errors)"
        awk -F, 'NR == 2 { print $4 }' /mnt/csv >>"/mnt/times-$name"
        bash -c "$(undo_of "$name")" >/dev/null 2>&1
        rm -rf /mnt/memory/* "$scratch"/disk/*
    done
}

median_ms() {
    sort -g "/mnt/times-$1" | awk '{ at[NR] = $1 } END { print 500 * (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) }'
}

# Counts the syncs of one apply.
syncs() {
    eval "strace -f -qq -o /mnt/trace -e trace=fsync,fdatasync $(command_of disk)" >/dev/null 2>/mnt/errors ||
        fail "the values cannot be set: $(cat /mnt/errors)"
    bash -c "$(undo_of disk)" >/dev/null 2>&1
    grep -c 'sync(' /mnt/trace
}

count=$(syncs)
for ((round = 0; round < rounds; round++)); do measure_round; done
sysctl_ms=$(median_ms sysctl)
printf '%-34s %10s %10s\n' "${#VALUES[@]} values" 'median ms' '/ sysctl'
row() { awk -v name="$1" -v ms="$2" -v base="$sysctl_ms" 'BEGIN { printf "%-34s %10.2f %10.1f\n", name, ms, ms / base }'; }
row 'tune, journal on disk' "$(median_ms disk)"
row 'tune, journal in memory' "$(median_ms memory)"
row 'sysctl -p' "$sysctl_ms"
echo "$count calls of fsync and fdatasync in an apply (limit $LIMIT_SYNCS)"
echo "($rounds rounds of $runs runs, $(uname -sr), $(stat -f -c %T "$scratch"), load $(cut -d' ' -f1 /proc/loadavg))"
if $check; then
    ((count <= LIMIT_SYNCS)) || fail "$count syncs"
    awk -v ms="$(median_ms memory)" -v limit=$LIMIT_MS 'BEGIN { exit !(ms <= limit) }' || fail 'too slow'
fi
