#!/usr/bin/env bash
# The staged situations of docs/diagnose.md that take long: Debian's httpd with deferred accept as it is installed, and
# clients under a timeout of ten minutes, until the last connection of each has ended. Takes twelve minutes, in which
# it does hardly anything; wants root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages apache2 iproute2 nginx-light procps util-linux
CI=true cargo test -p tune-tests --test diagnose_staged -- --ignored --nocapture
