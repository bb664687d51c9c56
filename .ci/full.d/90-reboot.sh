#!/usr/bin/env bash
# A Debian with tune and its units, through five boots: what the next boot is foretold to make, recovery, late modules.
# Takes three minutes, and some more when Debian has to be fetched and tune to be built.
set -euo pipefail
"$(dirname "${BASH_SOURCE[0]}")/../../tests/reboot/run"
