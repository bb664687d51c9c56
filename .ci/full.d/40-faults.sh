#!/usr/bin/env bash
# That every promise about crashes holds: each fault at each system call of apply, confirm, rollback and recover, and
# the power cut between any two of them (docs/reliability.md). Takes about an hour on two cores; wants root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages procps strace systemd util-linux
# What was built is asked for by its path: the campaign must not take an older binary.
cargo build --release --locked
cargo build --locked --package tune-tests --example faults
export TUNE_BINARY=$PWD/target/release/tune CI=true
target/debug/examples/faults
target/debug/examples/faults power --runs 6000
target/debug/examples/faults compare
