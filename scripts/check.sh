#!/usr/bin/env bash
# Lint, format, types, the layers between packages, and documents that no longer match the code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PWD/.venv/bin:$PATH"
ruff check --quiet
ruff format --check --quiet
basedpyright
lint-imports
scripts/npm.sh run --silent check
python -m scripts.docs --check
