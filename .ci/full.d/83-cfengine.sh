#!/usr/bin/env bash
# The promise of docs/fleets.md with Debian's CFEngine, against the real tune on a host of its own. Takes seconds; wants
# root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages cfengine3 iproute2 procps util-linux
CI=true cargo test --locked -p tune-tests --test fleets -- --include-ignored
