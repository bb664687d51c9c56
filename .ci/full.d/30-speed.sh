#!/usr/bin/env bash
# The speed, memory and size of an audit against sysctl and systemd-sysctl, with the limits enforced. Takes half a
# minute; wants a machine that does nothing else.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages hyperfine procps systemd time
cargo build --release --locked
benches/audit.sh --check
