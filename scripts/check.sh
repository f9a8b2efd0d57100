#!/usr/bin/env bash
# Lint, format, types, the layers between packages, documents that no longer match the code, and tests
# that cannot be collected; with --web, also the tests of the interface's own parts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PWD/.venv/bin:$PATH"

fail() {
    echo "$*" >&2
    exit 1
}

ruff check --quiet
ruff format --check --quiet
# The slowest, and on one core.
basedpyright &
types=$!
trap 'kill "$types" 2>/dev/null || true' EXIT
lint-imports
scripts/npm.sh run --silent check
[ "${1:-}" != --web ] || scripts/npm.sh test --silent
python -m scripts.docs --check
# It leaves their bytecode, too, which every process of the tests would otherwise make for itself.
collected=$(PYTHONDONTWRITEBYTECODE= python -m pytest --collect-only --quiet 2>&1) || fail "$collected"
wait "$types"
trap - EXIT
