#!/usr/bin/env bash
# Measures a run of Puppet that keeps 12 values: one tune_profile against twelve sysctl::value of Debian's package
# puppet-module-duritong-sysctl, which read all values with one sysctl -a, write each with a sysctl of its own, and keep
# /etc/sysctl.conf. Both are measured where all values differ and where nothing is to be done, beside an empty manifest:
# what that takes is Puppet's own. Each has its own module and no other, so the fact of ours counts against us.
#
# Use: benches/puppet.sh [--tune PATH] [--runs N]
#
#   --tune PATH  the binary to use, target/release/tune if not given
#   --runs N     runs of each manifest, 10 if not given; every manifest is run once before any is run again
#
# Everything happens in network and mount namespaces of its own, as root, with keys that belong to the network
# namespace; the machine's settings are not touched. tune's journal and the boot files lie in target/bench-puppet, on
# the disk of the checkout, and are removed in the end. Before each run where values differ they are put back, which is
# not measured.
#
# "all" is the whole command puppet apply. "resources" is what Puppet itself states for applying the catalog, without
# the facts, of which there are many, and without ours in particular. "CPU" is what the whole command took of
# processors: the figure to look at on a machine that is busy. No limit is set, because most of all three is Puppet's.
#
# Needs the Debian packages iproute2, procps, puppet-agent, puppet-module-duritong-sysctl and util-linux.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/lib.sh
source benches/lib.sh

OTHERS=/usr/share/puppet/modules.available/duritong-sysctl

tune=target/release/tune runs=10

arguments=("$@")
take_options "tune runs" "$@"
counts runs
tune=$(realpath "$tune")
there_is "$tune"
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

# Measures one run of a manifest, and what Puppet states for its resources, in milliseconds.
TIMEFORMAT='%R %U %S'
measure() {
    local took
    took=$({ time "${PUPPET[@]}" --modulepath "/mnt/modules-$2" "/mnt/$2.pp" >/mnt/said 2>&1; } 2>&1) ||
        fail "$2.pp failed: $(cat /mnt/said /mnt/puppet/said)"
    echo "$took $(awk '$1 == "catalog_application:" { print $2 }' /mnt/puppet/public/last_run_summary.yaml)" |
        awk '{ print 1000 * $1, 1000 * $4, 1000 * ($2 + $3) }' >>"/mnt/times-$1"
}

for name in tune sysctl; do
    expect "$name" 2
    holds "$name"
    expect "$name" 0
    sh /mnt/reset
done
for ((run = 0; run < runs; run++)); do
    measure empty empty
    for name in tune sysctl; do
        measure "$name-drifted" "$name"
        holds "$name"
        measure "$name-kept" "$name"
        sh /mnt/reset
    done
done

# Prints the least and the median of a column.
figures() {
    cut -d' ' -f"$2" "/mnt/times-$1" | sort -g |
        awk '{ at[NR] = $1 } END { printf " %7.0f %7.0f", at[1], (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) / 2 }'
}
row() {
    printf '%-40s' "$1"
    for column in 1 2 3; do figures "$2" "$column"; done
    echo
}
printf '%-40s %15s %15s %15s\n' "puppet apply, ${#VALUES[@]} values" 'all, ms' 'resources, ms' 'CPU, ms'
printf '%-40s %7s %7s %7s %7s %7s %7s\n' '' least median least median least median
row 'an empty manifest' empty
row 'nothing to be done: one tune_profile' tune-kept
row 'nothing to be done: twelve sysctl::value' sysctl-kept
row 'all values differ: one tune_profile' tune-drifted
row 'all values differ: twelve sysctl::value' sysctl-drifted
echo "($runs runs, Puppet $(puppet --version), $(uname -sr), $(stat -f -c %T "$scratch")," \
    "load $(cut -d' ' -f1 /proc/loadavg))"
