#!/usr/bin/env bash
# The states in packaging/salt with Salt from PyPI, against the real tune on hosts of its own. Takes two minutes, and four
# more where Salt is not yet in the cache; wants root and Python 3.11.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh

SALT=3008.3
root=$CACHE/salt-$SALT
ensure_packages iproute2 procps python3-venv util-linux
[[ -x $root/bin/python ]] || {
    rm -rf "$root.new"
    python3 -m venv "$root.new"
    "$root.new/bin/pip" install --quiet --disable-pip-version-check "salt==$SALT"
    mv "$root.new" "$root"
}
export TUNE_SALT_PYTHON=$root/bin/python CI=true
cargo test --locked -p tune-tests --test salt -- --include-ignored
