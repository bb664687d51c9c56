#!/usr/bin/env bash
# That the packages install, upgrade, go away and are purged as docs/install.md says, in a clean Debian root, and that the
# guide leads somebody from there to a profile that is applied and taken back. The package for FreeBSD is only held
# against the description of its form. Takes five minutes, most of them building.
set -euo pipefail
# shellcheck source=.ci/lib.sh
source .ci/lib.sh
ensure_packages binutils debootstrap dpkg-dev lintian python3 rpm rpmlint zstd
CI=true tests/packages/run
packaging/build freebsd-pkg
tests/packages/freebsd-pkg target/packages/tune-*.pkg
