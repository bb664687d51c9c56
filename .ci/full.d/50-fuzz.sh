#!/bin/bash
# Proves that no bytes which others wrote make a parser panic, overflow or answer nonsense: every fuzzer in fuzz/ runs
# for its share of 26 million executions, none of them less than 100,000 times. In the order of an hour on one core;
# FUZZ_RUNS=10000 runs each fuzzer that often instead, in minutes. Fails on the first crash, whose input stays in
# fuzz/artifacts/TARGET. Needs cargo-fuzz (cargo install cargo-fuzz) and g++.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The sanitizers need nightly; there is no unsafe code to find with them. Overflow checks are on (fuzz/Cargo.toml).
export RUSTC_BOOTSTRAP=1
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
cargo fuzz build --sanitizer none

# Executions by default, cheap parsers more of them. The dear ones, from sysctl_tree_linux on, take most of the time: each
# goes through whole boots, 700 to 7000 times a second, where the others do tens of thousands.
runs=(
  names:5000000 kernel_command_line:4000000 claims:4000000 quantities:3000000 history:1200000
  journal:1000000 modules:800000
  sysctl_tree_linux:500000 freebsd_rc_conf:400000 freebsd_sysctl_conf:300000 freebsd_loader_conf:300000
  freebsd_kernel_text:300000 proc_text:250000 profile:250000 one_off:250000 sysctl_line_taken_over:250000
  freebsd_block:250000
  sunos_netstat:1000000 sunos_show_prop:300000 sunos_ipadm_conf:100000 sunos_start_script:100000
  sunos_manifest:200000
  sockets_inet_diag:500000 sockets_proc_net:500000 sockets_freebsd:500000 sockets_netstat:500000
  sockets_filter:500000
)
host=$(rustc -vV | sed -n 's/^host: //p')
for entry in "${runs[@]}"; do
  target=${entry%%:*}
  found=fuzz/target/corpus/$target
  mkdir -p "$found" "fuzz/artifacts/$target"
  "fuzz/target/$host/release/$target" -runs="${FUZZ_RUNS:-${entry##*:}}" -max_len=4096 -timeout=20 \
    -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -artifact_prefix="fuzz/artifacts/$target/" \
    "$found" "fuzz/corpus/$target" 2>&1 | sed "s/^/$target: /"
done
echo "fuzzing: no crash"
