#!/usr/bin/env bash
# 10,000 generated trees of boot files, read by the real systemd-sysctl, sysctl --system and busybox: what the resolver
# foretold against what the kernel then has. Takes about three minutes, half of it building.
set -euo pipefail
TUNE_TREES=10000 TUNE_SEED=${TUNE_SEED:-$RANDOM} \
    cargo test --release -p tune-tests --test boot_prediction -- --nocapture
