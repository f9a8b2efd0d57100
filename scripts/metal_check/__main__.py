"""python -m scripts.metal_check [NAME…] [--desktop] [--into FOLDER]: tries what depends on Metal.

Takes every step, whatever became of those before, and writes report.md and report.json. Ends with 1
when one has failed. docs/metal.md says more.
"""

import argparse
import sys
from pathlib import Path

from scripts.metal_check.outcome import Step, Taken
from scripts.metal_check.report import ROOT, report_of
from scripts.metal_check.running import take
from scripts.metal_check.steps import STEPS


def main() -> int:
    arguments = _arguments()
    into: Path = arguments.into
    into.mkdir(parents=True, exist_ok=True)
    taken: list[Taken] = []
    for step in _wanted(arguments.names, desktop=arguments.desktop):
        print(f"{step.name}: {step.about}", flush=True)
        taken.append(take(step))
        print(f"  {taken[-1].outcome.status}, {taken[-1].seconds:.0f} s", flush=True)
        # After each, so that there is a report whatever happens to the next.
        report = report_of(taken)
        (into / "report.md").write_text(report.as_markdown(), encoding="utf-8")
        (into / "report.json").write_text(report.as_json(), encoding="utf-8")
    print(f"The report is in {into}: send report.json, read report.md.")
    return 0 if report_of(taken).passed else 1


def _wanted(names: list[str], *, desktop: bool) -> list[Step]:
    if names:
        return [step for step in STEPS if step.name in names]
    return [step for step in STEPS if desktop or not step.asked_for]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.metal_check")
    known = [step.name for step in STEPS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; or all")
    parser.add_argument(
        "--desktop", action="store_true", help="also what shows on the screen and in the session"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "metal-check")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
