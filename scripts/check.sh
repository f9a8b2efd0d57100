#!/usr/bin/env bash
# Lint, format, types, the layers between packages, and documents that no longer match the code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PWD/.venv/bin:$PATH"
ruff check --quiet
ruff format --check --quiet
# The slowest, and on one core.
basedpyright &
types=$!
trap 'kill "$types" 2>/dev/null || true' EXIT
lint-imports
scripts/npm.sh run --silent check
python -m scripts.docs --check
wait "$types"
trap - EXIT
