#!/usr/bin/env bash
# That a trial is kept only over a new login by ssh, and that the Ansible collection passes all of ansible-test sanity and
# can be built. Takes a minute, and two more the first time; wants root and PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages git iproute2 openssh-client openssh-server procps python3-apt python3-venv util-linux
python=$(python_with ansible-core "$ANSIBLE_CORE")
TUNE_ANSIBLE_PYTHON=$python CI=true cargo test --locked --package tune-tests --test ansible -- --include-ignored
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# ansible-test keeps its environments below the home directory, and fetches pip, in a version of its choice, unless it finds
# it there.
home=$CACHE/ansible-test-$ANSIBLE_CORE
mkdir -p "$home/.ansible/test/cache"
printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' >"$home/.ansible/test/cache/get_pip_24_2.py"

# It wants the collection at its place below ansible_collections, in a repository, and looks at what that has committed.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
collection=$work/ansible_collections/tune/tune
mkdir -p "$collection"
git ls-files -z packaging/ansible | xargs -0 cp --parents -t "$work"
mv "$work"/packaging/ansible/* "$collection"
git -C "$work" init --quiet
git -C "$work" add ansible_collections
git -C "$work" -c user.name=tune -c user.email=tune@localhost commit --quiet --message 'The collection as it is'

cd "$collection"
export HOME=$home
"$python" -m ansible test sanity --venv --python "$version"
"$python" -m ansible galaxy collection build --output-path "$work"
