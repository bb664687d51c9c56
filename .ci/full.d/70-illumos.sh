#!/usr/bin/env bash
# Proves that an executable for illumos can be linked and asks its libraries for nothing new. Nothing is run, and
# nothing is made to be shipped: build on illumos itself for that. Takes ten minutes, most of them the standard library.
set -euo pipefail
.ci/cross-check --illumos
