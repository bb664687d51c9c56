#!/usr/bin/env bash
# The states in packaging/salt with Salt from PyPI, against the real tune on hosts of its own. Takes two minutes, and four
# more where Salt is not yet in the cache; wants root and Python 3.11.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh

ensure_packages iproute2 procps python3-venv util-linux
TUNE_SALT_PYTHON=$(python_with salt 3008.3)
export TUNE_SALT_PYTHON CI=true
cargo test --locked -p tune-tests --test salt -- --include-ignored
