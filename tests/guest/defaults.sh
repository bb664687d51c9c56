# Prints what a freshly booted kernel chose for itself, next to the sizes it chose from.
# Run: tests/guest/run --memory SIZE --script tests/guest/defaults.sh
# shellcheck shell=dash

keys='net.ipv4.tcp_mem net.ipv4.udp_mem net.ipv4.tcp_rmem net.ipv4.tcp_wmem net.ipv4.tcp_max_orphans
net.ipv4.tcp_max_tw_buckets net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_ehash_entries net.ipv4.tcp_fin_timeout
net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_orphan_retries
net.ipv4.tcp_tw_reuse net.ipv4.tcp_tw_reuse_delay net.ipv4.ip_local_port_range net.core.rmem_max net.core.wmem_max
net.core.rmem_default net.core.wmem_default net.core.optmem_max net.core.somaxconn net.core.netdev_max_backlog
net.nf_conntrack_max net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_buckets vm.min_free_kbytes
fs.file-max fs.nr_open'

path_of() {
    echo "/proc/sys/$(echo "$1" | tr . /)"
}

# Writes a value and prints what came of it; the old value is put back.
try() {
    old=$(cat "$(path_of "$1")")
    if message=$( (echo "$2" >"$(path_of "$1")") 2>&1); then message=ok; fi
    echo "$1 <- $2: ${message##*: } -> $(cat "$(path_of "$1")")"
    echo "$old" >"$(path_of "$1")"
}

show_memory() {
    uname -r
    grep -E '^(MemTotal|MemFree):' /proc/meminfo
    awk '$1 == "Node" { zone = $4 } $1 == "high" { high = $2 }
        $1 == "managed" { print "zone " zone " managed " $2 " high " high; sum += $2 - high; all += $2 }
        END { print "managed " all; print "managed_less_high " sum }' /proc/zoneinfo
    echo "frag/compound: $(cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null)"
    dmesg | grep -E 'Memory:|hash table entries|Hash tables configured|Freeing (initrd|unused)' | sed 's/^\[[^]]*\] //'
}

show_keys() {
    for key in $keys; do
        echo "$key = $(cat "$(path_of "$key")" 2>&1)"
    done
}

show_namespace() {
    echo "--- new network namespace"
    # shellcheck disable=SC2016
    keys=$keys unshare -n /bin/sh -c 'for key in $keys; do
        path=/proc/sys/$(echo "$key" | tr . /)
        echo "$key $(stat -c %a "$path" 2>/dev/null || echo absent) $(cat "$path" 2>/dev/null)"
    done
    for key in core/rmem_max netfilter/nf_conntrack_max core/somaxconn; do
        (echo 4096 >/proc/sys/net/$key) 2>&1 | sed "s|.*: |write $key: |"
    done'
}

try_buckets() {
    echo "--- nf_conntrack_buckets"
    for count in 1 511 512 513 1000 1024 5000 65535 65536 65537; do
        try net.netfilter.nf_conntrack_buckets "$count"
    done
    echo 8192 >/proc/sys/net/netfilter/nf_conntrack_buckets
    echo "nf_conntrack_max after buckets=8192: $(cat /proc/sys/net/netfilter/nf_conntrack_max)"
}

# A child must show later changes of the parent, or its own copy of an earlier one.
try_copies() {
    echo "--- what a child copies"
    echo '4096 65536 1000000' >/proc/sys/net/ipv4/tcp_rmem
    echo 300000 >/proc/sys/net/core/rmem_max
    echo 30 >/proc/sys/net/ipv4/tcp_fin_timeout
    echo 111 >/proc/sys/net/core/somaxconn
    unshare -n sh -c 'cd /proc/sys/net; grep . ipv4/tcp_rmem core/rmem_max ipv4/tcp_fin_timeout core/somaxconn'
}

show_memory
show_keys
show_namespace
try_buckets
try_copies
