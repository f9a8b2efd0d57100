"""python -m scripts.metal_check.one_step NAME FILE: takes one step, writes its outcome to FILE."""

import sys
import traceback
from pathlib import Path

from scripts.metal_check.outcome import Outcome
from scripts.metal_check.steps import STEPS


def main() -> None:
    name, path = sys.argv[1:]
    step = next(step for step in STEPS if step.name == name)
    try:
        outcome = step.run()
    except Exception:  # noqa: BLE001 - whatever goes wrong in a step is what is to be reported
        outcome = Outcome("failed", {}, traceback.format_exc())
    outcome.write(Path(path))


if __name__ == "__main__":
    main()
