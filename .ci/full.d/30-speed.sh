#!/usr/bin/env bash
# The speed, memory and size of an audit against sysctl and systemd-sysctl, and the time and the syncs of an apply
# against sysctl -p, and the census of connections against ss, with the limits enforced. Takes some minutes; wants a
# machine that does nothing else, and root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages hyperfine iproute2 procps strace systemd time util-linux
cargo build --release --locked
cargo build --release --locked --package tune-tests --example census --bin tune-half-close
benches/audit.sh --check
benches/apply.sh --check
benches/census.sh --check
