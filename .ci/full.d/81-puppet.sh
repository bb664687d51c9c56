#!/usr/bin/env bash
# The module in packaging/puppet with Debian's Puppet, against the real tune on hosts of its own. Takes some minutes, most
# of which Puppet needs to collect its facts some forty times; wants root.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages iproute2 procps puppet-agent util-linux
CI=true cargo test --locked -p tune-tests --test puppet -- --include-ignored
