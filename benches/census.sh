#!/usr/bin/env bash
# Measures the census of connections against `ss`, in one run on one machine.
#
# Use: benches/census.sh [--sizes "N ..."] [--runs N] [--rounds N] [--check]
#
#   --sizes "N ..."  how many connections in FIN_WAIT_2 there are, "1000 10000 40000 100000" if not given
#   --runs N         runs of each command in a round, 5 if not given
#   --rounds N       rounds, 5 if not given
#   --check          exit with 1 if a limit is missed; otherwise figures never fail the script
#
# Compared are, each with what `ss` does for the same question:
#   classify  counts FIN_WAIT_2 by who has it, by port and by peer     ss -tan state fin-wait-2
#   owners    the same for CLOSE_WAIT, too, and names the processes    ss -tanp
#
# Everything happens in a network namespace of its own, as root. Half of the connections are IPv4 and half IPv6; half are
# held by two or more processes and half are orphans, made under a timeout so long that they stay while it is measured.
# Other processes hold the other ends, in CLOSE_WAIT. The commands take turns, round by round, so that a machine that
# grows busy is unfair to all alike. A command's time is the median of the medians of its rounds, process start included.
# Memory is the greatest resident set of three runs. Limits:
#   classify  1/2 of ss
#   owners    1/3 of ss
#   memory    24 MiB for either
#
# Needs the Debian packages hyperfine, iproute2, time and util-linux, and
# `cargo build --release --package tune-tests --example census --bin tune-half-close`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/lib.sh
source benches/lib.sh
# 1 is a limit that is missed.
# shellcheck disable=SC2034 # for fail
CANNOT=2

LIMIT_MIB=24
CENSUS=target/release/examples/census HALF_CLOSE=target/release/tune-half-close
NAMES=(classify ss owners ss-p)
# So that what was closed stays a whole socket for two hours.
FIN_TIMEOUT=7260

sizes="1000 10000 40000 100000" runs=5 rounds=5 check=false

take_options "sizes runs rounds check" "$@"
counts runs rounds
[[ $sizes =~ ^[1-9][0-9]*(\ [1-9][0-9]*)*$ ]] || fail '--sizes wants numbers above 0' 64
for program in "$CENSUS" "$HALF_CLOSE"; do
    [[ -x $program ]] || fail "no $program: see the top of this script"
done

# Each size has a namespace of its own, with nothing of the one before in it.
if [[ -z ${TUNE_BENCH_NAMESPACE:-} ]]; then
    ((EUID == 0)) || fail 'needs root, for network namespaces'
    TUNE_BENCH_NAMESPACE=$(readlink /proc/self/ns/net)
    export TUNE_BENCH_NAMESPACE
    missed=0
    for many in $sizes; do
        unshare --net -- "$BASH" benches/census.sh --sizes "$many" --runs "$runs" --rounds "$rounds" --check || missed=$?
        ((missed < 2)) || exit "$missed"
    done
    echo "($rounds rounds of $runs runs, $(uname -sr), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg))"
    if $check; then exit "$missed"; fi
    exit 0
fi
many=$sizes
[[ $(readlink /proc/self/ns/net) != "$TUNE_BENCH_NAMESPACE" ]] || fail 'not in a network namespace of its own' 2
ip link set lo up
echo "$FIN_TIMEOUT" >/proc/sys/net/ipv4/tcp_fin_timeout

hyperfine=$(command -v hyperfine) || fail 'no hyperfine: install the package hyperfine'
ss=$(PATH=$PATH:/usr/sbin:/sbin command -v ss) || fail 'no ss: install the package iproute2'
gnu_time=/usr/bin/time
[[ -x $gnu_time ]] || fail 'no GNU time: install the package time'

# Prints the words of a command. None holds a blank.
words() {
    case $1 in
        classify) echo "$CENSUS" ;;
        ss) echo "$ss -tan state fin-wait-2" ;;
        owners) echo "$CENSUS --owners" ;;
        ss-p) echo "$ss -tanp" ;;
    esac
}

scratch=$(mktemp -d)
started=()
stop() {
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap stop EXIT

# Starts a program that waits for the end of its input, which descriptor 3 keeps open.
start() {
    local output=$1
    shift
    : >"$output"
    "$HALF_CLOSE" "$@" <"$scratch/wait" >"$output" 3>&- &
    started+=($!)
}

# Waits until programs are ready, half a minute at most for each.
until_ready() {
    local output patience
    for output; do
        for ((patience = 300; patience > 0; patience--)); do
            grep -qs '^ready$' "$output" && break
            sleep 0.1
        done
        ((patience > 0)) || fail 'the connections could not be made'
    done
}

# Makes the connections.
make() {
    local most at addresses=() peers closers port
    most=$(($(ulimit -Hn) - 200))
    peers=$((many / most + 1)) closers=$((many / 2 / most + 2))
    mkfifo "$scratch/wait"
    exec 3<>"$scratch/wait"
    for ((at = 0; at < peers; at++)); do start "$scratch/peer$at" peer 2; done
    until_ready "$scratch"/peer*
    while read -r _ port; do
        addresses+=("127.0.0.1:$port" "[::1]:$port")
    done < <(grep -h '^port' "$scratch"/peer*)
    for ((at = 0; at < closers; at++)); do
        start "$scratch/closer$at" close "$((many / 2 / closers))" "$((many / 2 / closers))" 0 "${addresses[@]}"
    done
    until_ready "$scratch"/closer*
    # The peers confirm within some ten milliseconds.
    sleep 1
}

# What is measured must be right: as many as ss finds.
ensure_right() {
    local found counted
    found=$("$ss" -Htan state fin-wait-2 | wc -l)
    counted=$("$CENSUS" | awk 'NR == 1 { print $1 + $3 + $5 }')
    [[ $found == "$counted" ]] || fail "ss finds $found connections, and the census counts $counted"
}

# Adds the median seconds of a round to $scratch/times-NAME.
measure_round() {
    local name
    for name in "${NAMES[@]}"; do
        "$hyperfine" --shell none --style none --warmup 1 --runs "$runs" --export-csv "$scratch/csv" \
            --command-name "$name" "$(words "$name")" >/dev/null 2>&1 || fail "hyperfine failed on: $(words "$name")"
        awk -F, 'NR == 2 { print $4 }' "$scratch/csv" >>"$scratch/times-$name"
    done
}

median_ms() {
    sort -g "$scratch/times-$1" | awk '{ at[NR] = $1 } END { print 500 * (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) }'
}

peak_mib() {
    local words
    read -ra words <<<"$(words "$1")"
    for _ in 1 2 3; do
        "$gnu_time" --quiet --format %M --output "$scratch/time" "${words[@]}" >/dev/null
        cat "$scratch/time"
    done | sort -n | awk '{ most = $1 } END { print most / 1024 }'
}

# Prints a figure beside its limit; returns whether it is within it.
judge() {
    awk -v many="$many" -v name="$1" -v is="$2" -v other="$3" -v limit="$4" -v unit="$5" 'BEGIN {
        within = is <= limit
        printf "%8d %-16s %9.2f %-4s %11s limit %9.2f  %5.2f of it  %s\n", many, name, is, unit, \
            other == "" ? "" : sprintf("ss %8.2f", other), limit, is / limit, within ? "ok" : "MISSED"
        exit !within
    }'
}

make
ensure_right
for ((round = 0; round < rounds; round++)); do measure_round; done
missed=0
ss_ms=$(median_ms ss) ss_p_ms=$(median_ms ss-p)
judge classify "$(median_ms classify)" "$ss_ms" "$(awk "BEGIN { print $ss_ms / 2 }")" ms || missed=1
judge owners "$(median_ms owners)" "$ss_p_ms" "$(awk "BEGIN { print $ss_p_ms / 3 }")" ms || missed=1
judge 'classify, memory' "$(peak_mib classify)" "" "$LIMIT_MIB" MiB || missed=1
judge 'owners, memory' "$(peak_mib owners)" "" "$LIMIT_MIB" MiB || missed=1
exit "$missed"
