#!/usr/bin/env bash
# The speed, memory and size of an audit against sysctl and systemd-sysctl, and the time and the syncs of an apply
# against sysctl -p, with the limits enforced. Takes a minute; wants a machine that does nothing else, and root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages hyperfine iproute2 procps strace systemd time util-linux
cargo build --release --locked
benches/audit.sh --check
benches/apply.sh --check
