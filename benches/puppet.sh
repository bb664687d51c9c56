#!/usr/bin/env bash
# Measures a run of Puppet that keeps 12 values: one tune_profile against twelve sysctl::value of Debian's package
# puppet-module-duritong-sysctl, which read all values with one sysctl -a, write each with a sysctl of its own, and keep
# /etc/sysctl.conf. Both are measured where all values differ and where nothing is to be done, beside an empty manifest:
# what that takes is Puppet's own. Each has its own module and no other, so the fact of ours counts against us.
#
# Use: benches/puppet.sh [--tune PATH] [--runs N] [--rounds N] [--check]
#
#   --tune PATH  the binary to use, target/release/tune if not given
#   --runs N     runs of each manifest in a round, 5 if not given
#   --rounds N   rounds, 3 if not given
#   --check      exit with 1 if a limit is missed; otherwise figures never fail the script
#
# Everything happens in network and mount namespaces of its own, as root, with keys that belong to the network namespace;
# the machine's settings are not touched. tune's journal and the boot files lie in target/bench-puppet, on the disk of the
# checkout, and are removed in the end. Before each run where values differ they are put back, which is not measured. A
# time is that of the whole command puppet apply, the median that of the medians of the rounds. Limit: where nothing is to be done, the median with tune_profile is at
# most that with sysctl::value.
#
# Needs the Debian packages hyperfine, iproute2, procps, puppet-agent, puppet-module-duritong-sysctl and util-linux.
set -euo pipefail
cd "$(dirname "$0")/.."

VALUES=(
    net.core.somaxconn=8192
    net.ipv4.tcp_fin_timeout=30
    net.ipv4.tcp_keepalive_intvl=30
    net.ipv4.tcp_keepalive_probes=5
    net.ipv4.tcp_keepalive_time=600
    net.ipv4.tcp_max_syn_backlog=2048
    net.ipv4.tcp_orphan_retries=3
    net.ipv4.tcp_retries2=10
    "net.ipv4.tcp_rmem=4096 131072 16777216"
    net.ipv4.udp_rmem_min=8192
    net.ipv4.udp_wmem_min=8192
    "net.ipv4.tcp_wmem=4096 16384 8388608"
)
OTHERS=/usr/share/puppet/modules.available/duritong-sysctl

tune=target/release/tune runs=5 rounds=3 check=false

fail() {
    echo "puppet.sh: $1" >&2
    exit "${2:-1}"
}

arguments=("$@")
while (($#)); do
    case $1 in
        --check) check=true && shift && continue ;;
        --tune | --runs | --rounds) ;;
        *) fail "unknown argument: $1" 64 ;;
    esac
    (($# > 1)) || fail "$1 wants a value" 64
    printf -v "${1#--}" %s "$2"
    shift 2
done
[[ $runs =~ ^[1-9][0-9]*$ && $rounds =~ ^[1-9][0-9]*$ ]] || fail '--runs and --rounds want a number above 0' 64
tune=$(realpath "$tune")
[[ -f $tune && -x $tune ]] || fail "no binary to measure: $tune (build it: cargo build --release)"
[[ -d $OTHERS ]] || fail "there is no $OTHERS: install puppet-module-duritong-sysctl"

if [[ ${TUNE_BENCH_INSIDE-} != yes ]]; then
    [[ $EUID -eq 0 ]] || fail 'root is needed for namespaces of its own' 77
    mkdir -p target/bench-puppet
    trap 'rm -rf target/bench-puppet' EXIT
    TUNE_BENCH_INSIDE=yes unshare --mount --net --propagation private "$PWD/benches/puppet.sh" "${arguments[@]}"
    exit
fi

# Inside. Boot files and tune's state are on the disk, what Puppet keeps is in memory.
[[ $(readlink /proc/self/ns/net) != "$(readlink /proc/1/ns/net)" ]] || fail 'still in the network namespace of the host'
scratch=$PWD/target/bench-puppet
mkdir -p "$scratch/sysctl.d" "$scratch/state"
: >"$scratch/sysctl.conf"
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/empty /mnt/puppet /mnt/modules-{empty,tune,sysctl}
ln -s "$PWD/packaging/puppet" /mnt/modules-tune/tune
ln -s "$OTHERS" /mnt/modules-sysctl/sysctl
mount --bind "$scratch/sysctl.d" /etc/sysctl.d
for directory in /usr/lib/sysctl.d /usr/local/lib/sysctl.d /run/sysctl.d; do
    [[ ! -d $directory ]] || mount --bind /mnt/empty "$directory"
done
[[ -e /etc/sysctl.conf ]] || fail 'there is no /etc/sysctl.conf to lay another one over: install procps'
mount --bind "$scratch/sysctl.conf" /etc/sysctl.conf
ip link set lo up

# The same values in every form.
: >/mnt/empty.pp
echo "tune_profile { '/mnt/twelve.toml': executable => '$tune', state_dir => '$scratch/state' }" >/mnt/tune.pp
printf 'name = "twelve"\nsummary = "As many as the other way has"\n[linux.sysctl]\n' >/mnt/twelve.toml
for value in "${VALUES[@]}"; do
    key=${value%%=*} wanted=${value#*=}
    echo "$key=$(sysctl -n "$key" | tr '\t' ' ')" >>/mnt/old.conf
    echo "sysctl::value { '$key': value => '$wanted' }" >>/mnt/sysctl.pp
    [[ $wanted == *' '* ]] && wanted="\"$wanted\""
    echo "\"$key\" = { exactly = $wanted, uncatalogued = true }" >>/mnt/twelve.toml
done

PUPPET=(puppet apply --confdir /mnt/puppet --codedir /mnt/puppet/code --vardir /mnt/puppet/var
    --rundir /mnt/puppet/run --logdir /mnt/puppet/log --ssldir /mnt/puppet/ssl --publicdir /mnt/puppet/public
    --logdest /mnt/puppet/said)

# Makes the values and the boot files what they were.
cat >/mnt/reset <<END
sysctl -qp /mnt/old.conf
rm -rf '$scratch/state' /etc/sysctl.d/*
: >/etc/sysctl.conf
END

# Holds one manifest to its word: it changes everything, then nothing.
expect() {
    local code=0
    "${PUPPET[@]}" --detailed-exitcodes --modulepath "/mnt/modules-$1" "/mnt/$1.pp" >/dev/null 2>&1 || code=$?
    ((code == $2)) || fail "$1.pp ended with $code, not $2: $(cat /mnt/puppet/said)"
}
holds() {
    local value
    for value in "${VALUES[@]}"; do
        [[ $(sysctl -n "${value%%=*}" | tr '\t' ' ') == "${value#*=}" ]] || fail "$1.pp did not set $value"
    done
}

# Measures one manifest as often as a round has it; the third word is what comes before each run.
measure() {
    hyperfine --shell none --style none --runs "$runs" --prepare "$3" --export-csv /mnt/csv --command-name "$1" \
        "${PUPPET[*]} --modulepath /mnt/modules-$2 /mnt/$2.pp" >/dev/null 2>/mnt/errors ||
        fail "hyperfine failed on $2.pp: $(cat /mnt/errors)"
    # command,mean,stddev,median,user,system,min,max
    awk -F, 'NR == 2 { print $7, $4, $5 + $6 }' /mnt/csv >>"/mnt/times-$1"
}
round() {
    measure empty empty true
    for name in tune sysctl; do
        measure "$name-drifted" "$name" 'sh /mnt/reset'
        measure "$name-kept" "$name" true
        holds "$name"
        sh /mnt/reset
    done
}

for name in tune sysctl; do
    expect "$name" 2
    holds "$name"
    expect "$name" 0
    sh /mnt/reset
done
for ((at = 0; at < rounds; at++)); do round; done

least() { sort -g "/mnt/times-$1" | awk 'NR == 1 { print 1000 * $1 }'; }
# The median of the rounds in one column: 2 are the medians of the time, 3 is the work of processors.
median() {
    cut -d' ' -f"$2" "/mnt/times-$1" | sort -g |
        awk '{ at[NR] = $1 } END { print 500 * (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) }'
}
row() { printf '%-44s %9.0f %9.0f %9.0f\n' "$1" "$(least "$2")" "$(median "$2" 2)" "$(median "$2" 3)"; }
printf '%-44s %9s %9s %9s\n' "puppet apply, ${#VALUES[@]} values" 'least ms' 'median ms' 'CPU ms'
row 'an empty manifest' empty
row 'nothing to be done: one tune_profile' tune-kept
row 'nothing to be done: twelve sysctl::value' sysctl-kept
row 'all values differ: one tune_profile' tune-drifted
row 'all values differ: twelve sysctl::value' sysctl-drifted
echo "($rounds rounds of $runs runs, Puppet $(puppet --version), $(uname -sr), $(stat -f -c %T "$scratch")," \
    "load $(cut -d' ' -f1 /proc/loadavg))"
if $check; then
    awk -v ours="$(median tune-kept 2)" -v theirs="$(median sysctl-kept 2)" 'BEGIN { exit !(ours <= theirs) }' || fail 'too slow'
fi
