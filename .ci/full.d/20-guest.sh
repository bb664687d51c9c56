#!/usr/bin/env bash
# In a guest with each supported Debian kernel: what the kernel takes, what tune calls fine, what the boot tools leave.
# Takes about ten minutes, most of it building.
set -euo pipefail
guest=$(dirname "${BASH_SOURCE[0]}")/../../tests/guest
for kernel in linux-image-cloud-amd64 linux-image-6.12-cloud-amd64; do
    "$guest/run" --quiet --kernel "$kernel" guest_matrix
    "$guest/run" --quiet --kernel "$kernel" --timeout 900 guest_outcome
    "$guest/boot" --quiet --kernel "$kernel"
done
