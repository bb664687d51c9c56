#!/usr/bin/env bash
# Measures what Ansible needs for 12 values: one task of this project's collection against twelve tasks of
# ansible.posix.sysctl, which is what a play without tune has. Both change the running kernel and what the next boot sets.
#
# Use: benches/ansible.sh [--tune PATH] [--runs N]
#
#   --tune PATH  the binary to measure, target/release/tune if not given
#   --runs N     runs of each play, 7 if not given
#
# A play is run as ansible-playbook runs it on this machine, without ssh, which would add a round trip or two to each task.
# The Python on the target is known before, so nobody looks for it. Pipelining, which spares ansible.posix.sysctl copying
# its module for each task, is measured too. The kinds of plays take turns; after each one that changes values all of them
# are looked at. Processor time is that of all processes of the play; a busy machine adds less to it than to wall time.
#
# Everything happens in network and mount namespaces of its own, as root; all keys belong to the network namespace.
# ansible-core and ansible.posix come from PyPI, the second out of the package ansible, and are kept as .ci/run keeps its
# tools. Needs the Debian packages iproute2, procps, python3-venv, unzip and util-linux.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/lib.sh
source benches/lib.sh
# shellcheck source=.ci/lib.sh
source .ci/lib.sh

# The package that has the ansible.posix for this ansible-core.
ANSIBLE=12.3.0

tune=target/release/tune runs=7

arguments=("$@")
take_options "tune runs" "$@"
counts runs
tune=$(realpath "$tune")
there_is "$tune"

# Takes ansible.posix out of the package that bundles it with a hundred others.
ansible_posix() {
    local root=$CACHE/ansible-posix-$ANSIBLE python=$1
    [[ -d $root ]] || {
        rm -rf "$root.new" && mkdir "$root.new" &&
            "$python" -m pip download --quiet --no-deps --dest "$root.new" "ansible==$ANSIBLE" >&2 &&
            unzip -q "$root.new"/*.whl 'ansible_collections/ansible/posix/*' -d "$root.new" &&
            rm "$root.new"/*.whl && mv "$root.new" "$root"
    } && echo "$root"
}

if [[ ${TUNE_BENCH_INSIDE-} != yes ]]; then
    [[ $EUID -eq 0 ]] || fail 'root is needed for namespaces of its own' 77
    ensure_packages iproute2 procps python3-venv unzip util-linux
    python=$(python_with ansible-core "$ANSIBLE_CORE")
    posix=$(ansible_posix "$python")
    export python posix TUNE_BENCH_INSIDE=yes
    exec unshare --mount --net --propagation private "$PWD/benches/ansible.sh" "${arguments[@]}"
fi

# Inside.
[[ $(readlink /proc/self/ns/net) != "$(readlink /proc/1/ns/net)" ]] || fail 'still in the network namespace of the host'
mount -t tmpfs -o mode=755 tmpfs /mnt
for directory in /etc/sysctl.d /usr/lib/sysctl.d /usr/local/lib/sysctl.d /run/sysctl.d /var/lib; do
    [[ ! -d $directory ]] || mount -t tmpfs -o mode=755 tmpfs "$directory"
done
: >/mnt/empty
mount --bind /mnt/empty /etc/sysctl.conf 2>/dev/null || true
ip link set lo up

mkdir -p /mnt/collections/ansible_collections/tune
ln -s "$posix/ansible_collections/ansible" /mnt/collections/ansible_collections/ansible
ln -s "$PWD/packaging/ansible" /mnt/collections/ansible_collections/tune/tune
export HOME=/mnt/home LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 ANSIBLE_HOME=/mnt/home \
    ANSIBLE_REMOTE_TMP=/mnt/home/tmp ANSIBLE_COLLECTIONS_PATH=/mnt/collections ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false

key_of() { echo "${1%%=*}"; }
value_of() { echo "${1#*=}"; }

# Prints a play whose tasks come from standard input.
play() {
    cat <<'PLAY'
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
PLAY
    cat
}

play >/mnt/start.yml <<'TASK'
    - ansible.builtin.assert:
        that: true
TASK
play >/mnt/tune.yml <<TASK
    - tune.tune.apply:
        profiles: [/mnt/twelve.toml]
        executable: $tune
TASK
for value in "${VALUES[@]}"; do
    cat <<TASK
    - ansible.posix.sysctl:
        name: $(key_of "$value")
        value: "$(value_of "$value")"
        sysctl_file: /etc/sysctl.d/99-bench.conf
TASK
done | play >/mnt/sysctl.yml
{
    printf 'name = "twelve"\nsummary = "Twelve values"\n'
    for value in "${VALUES[@]}"; do
        printf '[linux.sysctl."%s"]\nexactly = "%s"\n' "$(key_of "$value")" "$(value_of "$value")"
    done
} | sed -E 's/^exactly = "([0-9]+)"$/exactly = \1/' >/mnt/twelve.toml
for value in "${VALUES[@]}"; do
    key=$(key_of "$value")
    echo "$key=$(sysctl -n "$key" | tr '\t' ' ')"
done >/mnt/old.conf

put_back() {
    sysctl -q -p /mnt/old.conf
    rm -rf /etc/sysctl.d/* /var/lib/tune
}

all_are_set() {
    local value key
    for value in "${VALUES[@]}"; do
        key=$(key_of "$value")
        [[ $(sysctl -n "$key" | tr '\t' ' ') == "$(value_of "$value")" ]] || fail "$1 left $key at $(sysctl -n "$key")"
        grep -qxE "$key ?= ?$(value_of "$value")" /etc/sysctl.d/*.conf || fail "$1 left $key out of the boot files"
    done
}

# Runs a play, adds its wall time and its processor time in milliseconds to a list, and demands a number of changed tasks.
run() {
    local name=$1 playbook=$2 changed=$3 TIMEFORMAT='%R %U %S'
    { time "$python" -m ansible playbook "/mnt/$playbook.yml" >/mnt/said 2>&1; } 2>/mnt/time || fail "$name: $(cat /mnt/said)"
    grep -q "changed=$changed " /mnt/said || fail "$name: not $changed tasks changed something: $(cat /mnt/said)"
    awk '{ print $1 * 1000, ($2 + $3) * 1000 }' /mnt/time >>"/mnt/times-$name"
}

measure() {
    local pipelined=$1
    export ANSIBLE_PIPELINING=$pipelined
    run "start-$pipelined" start 0
    put_back
    run "tune-$pipelined" tune 1
    all_are_set tune
    run "tune-again-$pipelined" tune 0
    put_back
    run "sysctl-$pipelined" sysctl ${#VALUES[@]}
    all_are_set ansible.posix.sysctl
    run "sysctl-again-$pipelined" sysctl 0
    put_back
}

# The least and the median of a column of a list: 1 is wall time, 2 processor time.
least() { cut -d' ' -f"$2" "/mnt/times-$1" | sort -g | head -1; }
median() { cut -d' ' -f"$2" "/mnt/times-$1" | sort -g | awk '{ at[NR] = $1 } END { print (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) / 2 }'; }

row() { printf '%-48s %8.0f %8.0f %10.0f\n' "$1" "$(least "$2" 1)" "$(median "$2" 1)" "$(median "$2" 2)"; }

run warm sysctl ${#VALUES[@]}
put_back
for ((round = 0; round < runs; round++)); do
    measure false
    measure true
done
printf '%-48s %8s %8s %10s\n' "ms for ${#VALUES[@]} values" least median 'processor'
for pipelined in false true; do
    ! $pipelined || echo 'with pipelining'
    row 'ansible-playbook with nothing to do' start-$pipelined
    row 'one task of tune, changes' tune-$pipelined
    row 'one task of tune, nothing to change' tune-again-$pipelined
    row "${#VALUES[@]} tasks of ansible.posix.sysctl, change" sysctl-$pipelined
    row "${#VALUES[@]} tasks of ansible.posix.sysctl, nothing to do" sysctl-again-$pipelined
done
posix_version=$(sed -n 's/^ *"version": "\(.*\)",$/\1/p' "$posix/ansible_collections/ansible/posix/MANIFEST.json" | head -1)
echo "($runs runs of each, ansible-core $ANSIBLE_CORE, ansible.posix $posix_version, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg))"
