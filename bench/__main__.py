"""python -m bench [NAME…] [--quick] [--write]

Ends with 1 when a bound is missed.
"""

import argparse
import importlib
import inspect
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.child import ROOT
from bench.context import Context, open_context
from bench.machine import head
from bench.report import Row, merged, table

NAMES = (
    "startup",
    "policy",
    "residency",
    "one_stream",
    "cpu",
    "overhead",
    "cold_load",
    "second_turn",
    "schema",
    "fairness",
    "servers",
    "embeddings",
    "large_bodies",
    "scan",
    "discovery",
    "transcription",
    "speech",
    "pictures",
    "pictures_at_once",
    "pages",
)
PAGE = ROOT / "docs" / "performance.md"
_ROUNDS, _QUICK_ROUNDS = 7, 2


def main() -> int:
    """Measure, print, and write if asked."""
    arguments = _arguments()
    rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    sections: dict[str, str] = {}
    all_met = True
    with tempfile.TemporaryDirectory(prefix="mlx-gui-bench-") as scratch:
        context = open_context(rounds, Path(scratch))
        print(head(context))
        for name in arguments.names or NAMES:
            print(f"measuring {name}", file=sys.stderr)
            rows, text = _measure(name, context)
            all_met = all_met and all(row.met for row in rows)
            sections[name] = text
            print(f"## {name}\n\n{text}\n", flush=True)
        if arguments.write:
            page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
            PAGE.write_text(merged(page, head(context), sections), encoding="utf-8")
    return 0 if all_met else 1


def _measure(name: str, context: Context) -> tuple[list[Row], str]:
    module = importlib.import_module(f"bench.{name}")
    rows: list[Row] = module.measure(context)
    today = datetime.now(UTC).date().isoformat()
    parts = [inspect.getdoc(module) or "", table(rows) if rows else "Not on this device."]
    parts.append(f"{context.rounds} rounds on {today}: `python -m bench {name}`.")
    return rows, "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure mlx-gui.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; or all")
    parser.add_argument("--quick", action="store_true", help="two rounds instead of seven")
    parser.add_argument("--write", action="store_true", help=f"keep it in {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.quick and arguments.write:
        parser.error("what is written must be measured in full")
    return arguments


if __name__ == "__main__":
    raise SystemExit(main())
