#!/usr/bin/env bash
# Measures `tune audit` against the system's own tools, in one run on one machine. It only reads.
#
# Use: benches/audit.sh [--tune PATH] [--profile NAME] [--runs N] [--rounds N] [--check]
#
#   --tune PATH     the binary to measure, target/release/tune if not given; any program will do
#                   that takes `audit NAME` and exits with 0 or 2
#   --profile NAME  the profile to audit, web-server if not given
#   --runs N        runs of each command in a round, 200 if not given
#   --rounds N      rounds, 5 if not given
#   --check         exit with 1 if a limit is missed; otherwise figures never fail the script
#
# Compared are
#   tune        tune audit NAME: reads the same keys, works out the next boot, judges both
#   sysctl      sysctl -n of the keys below: the least anybody must do to read them
#   cat-config  systemd-sysctl --cat-config: reads and merges the boot files and no more
#
# The commands take turns, round by round, so that a machine that grows busy is unfair to all alike. A
# command's time is the median of the medians of its rounds, process start included. Memory is the
# greatest resident set of five runs. Limits:
#   time    1.5 x sysctl + 1 ms (aim: sysctl)
#   memory  6 MiB
#   binary  6 MiB (aim: 3 MiB)
#
# Needs the Debian packages hyperfine, procps, systemd and time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/lib.sh
source benches/lib.sh

# The tunables that the profile web-server reads.
KEYS=(
    net.ipv4.tcp_fin_timeout
    net.ipv4.tcp_keepalive_time
    net.ipv4.tcp_keepalive_intvl
    net.ipv4.tcp_keepalive_probes
    net.core.somaxconn
    net.ipv4.tcp_max_syn_backlog
    net.ipv4.ip_local_port_range
    net.ipv4.tcp_mem
    net.ipv4.tcp_max_orphans
    net.ipv4.tcp_max_tw_buckets
)
LIMIT_MIB=6
NAMES=(tune sysctl cat-config)

tune=target/release/tune profile=web-server runs=200 rounds=5 check=false

take_options "tune profile runs rounds check" "$@"
counts runs rounds
[[ $tune$profile != *[[:space:]]* ]] || fail 'the path and the profile may not hold blanks' 64

# Finds a program, also where only root's PATH leads.
find_program() {
    PATH=$PATH:/usr/sbin:/sbin:/lib/systemd command -v "$1" || fail "no $1: install the package $2"
}
hyperfine=$(find_program hyperfine hyperfine)
sysctl=$(find_program sysctl procps)
cat_config=$(find_program systemd-sysctl systemd)
gnu_time=/usr/bin/time
[[ -x $gnu_time ]] || fail 'no GNU time: install the package time'
there_is "$tune"

# Prints the words of a command. None holds a blank.
words() {
    case $1 in
        tune) echo "$tune audit $profile" ;;
        sysctl) echo "$sysctl -n ${KEYS[*]}" ;;
        cat-config) echo "$cat_config --cat-config" ;;
    esac
}

# The time of a command that fails says nothing. An audit exits with 2 where the host differs.
ensure_works() {
    local words status=0
    read -ra words <<<"$(words "$1")"
    "${words[@]}" >/dev/null || status=$?
    [[ $status == 0 || ($1 == tune && $status == 2) ]] || fail "exit status $status of: ${words[*]}"
}

# Writes one line of median seconds per command and round to $scratch/NAME.
measure_round() {
    local name
    for name in "${NAMES[@]}"; do
        "$hyperfine" --shell none --ignore-failure --style none --warmup 20 --runs "$runs" \
            --export-csv "$scratch/csv" --command-name "$name" "$(words "$name")" >/dev/null 2>&1 ||
            fail "hyperfine failed on: $(words "$name")"
        awk -F, 'NR == 2 { print $4 }' "$scratch/csv" >>"$scratch/$name"
    done
}

median_ms() {
    sort -g "$scratch/$1" | awk '{ at[NR] = $1 } END { print 500 * (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) }'
}

peak_kib() {
    local words
    read -ra words <<<"$(words "$1")"
    for _ in 1 2 3 4 5; do
        "$gnu_time" --quiet --format %M --output "$scratch/time" "${words[@]}" >/dev/null 2>&1 || true
        cat "$scratch/time"
    done | sort -n | tail -1
}

# Prints a figure beside its limit; returns whether it is within it.
judge() {
    awk -v name="$1" -v is="$2" -v limit="$3" -v unit="$4" 'BEGIN {
        within = is <= limit
        printf "%-8s %9.3f %-4s limit %9.3f  %5.2f of it  %s\n", name, is, unit, limit, is / limit, within ? "ok" : "MISSED"
        exit !within
    }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for name in "${NAMES[@]}"; do ensure_works "$name"; done
for ((round = 0; round < rounds; round++)); do measure_round; done

declare -A ms kib
printf '%-12s %10s %14s %12s\n' command 'median ms' 'tune / command' 'memory KiB'
for name in "${NAMES[@]}"; do
    ms[$name]=$(median_ms "$name")
    kib[$name]=$(peak_kib "$name")
    printf '%-12s %10.3f %14s %12s\n' "$name" "${ms[$name]}" \
        "$(awk -v a="${ms[tune]}" -v b="${ms[$name]}" 'BEGIN { printf "%.2f", a / b }')" "${kib[$name]}"
done

echo
missed=0
limit_ms=$(awk -v sysctl="${ms[sysctl]}" 'BEGIN { print 1.5 * sysctl + 1 }')
judge time "${ms[tune]}" "$limit_ms" ms || missed=1
judge memory "$(awk -v kib="${kib[tune]}" 'BEGIN { print kib / 1024 }')" "$LIMIT_MIB" MiB || missed=1
judge binary "$(stat --dereference --format %s "$tune" | awk '{ print $1 / 1048576 }')" "$LIMIT_MIB" MiB || missed=1
echo "($rounds rounds of $runs runs, ${#KEYS[@]} keys, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg))"
if $check; then exit $missed; fi
