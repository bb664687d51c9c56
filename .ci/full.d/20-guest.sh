#!/usr/bin/env bash
exec "$(dirname "${BASH_SOURCE[0]}")/../../tests/guest/run" --quiet guest_matrix
