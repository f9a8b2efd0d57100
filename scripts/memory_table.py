"""python -m scripts.memory_table: measures workers and writes the table of the guide on memory."""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.filling import Filled, fill
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.config import resolve
from mlx_gui.control.plans.plan import Machine, Plan, plan_load
from mlx_gui.core.device import BlasFacts, DeviceFacts
from mlx_gui.core.model import Model
from mlx_gui.kinds.architecture import vocabulary_size
from mlx_gui.kinds.registry import recognise
from mlx_gui.model_settings import resolve_model
from tests.encoders.cache import encoder
from tests.encoders.real import e5, minilm
from tests.real.whisper import whisper_tiny_en
from tests.tones.checkpoints import parakeet_tones
from tests.voices.checkpoints import pocket_tts, qwen3_tts
from tests.zoo.cache import checkpoints
from tests.zoo.families import FAMILIES

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "guides" / "memory.md"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
_CONFIG = resolve(flags={"data_dir": "/nowhere"}, environment={})
_BUDGET_BYTES = 4 << 30
_ENCODERS = (
    *("MiniLM-tiny", "xlm-roberta-tiny", "modernbert-tiny", "Qwen3-Embedding-tiny"),
    *("embeddinggemma-tiny", "bert-reranker-tiny", "Qwen3-Reranker-tiny"),
)
_DIGEST = re.compile(r"-[0-9a-f]{12}$")
"""Folders of built models name what they were built of."""
_COLUMNS = (
    "model",
    "weights",
    "sequences",
    "loading, process",
    "loading, MLX",
    "serving, process",
    "serving, MLX",
)


def main() -> int:
    """Measure, and put the table in its place on the page. On Linux only."""
    if sys.platform != "linux":
        print("Peaks are read from /proc.", file=sys.stderr)
        return 1
    real = resolve(flags={}, environment={}).model_dirs[0] / EMBEDDED.model_id
    runs = [
        (folder, True, {"context_tokens": 2048, "slots": 4}) for folder in checkpoints(*FAMILIES)
    ]
    if real.exists():
        short = {"context_tokens": 512, "slots": 2}
        runs += [(real, packs, short) for packs in (False, True)]
    runs += [(encoder(name), True, {}) for name in _ENCODERS]
    others = (minilm(), e5(), parakeet_tones(), whisper_tiny_en(), pocket_tts(), qwen3_tts())
    runs += [(folder, True, {}) for folder in others]
    lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
    with tempfile.TemporaryDirectory() as scratch:
        runs.append((_speaking(Path(scratch)), True, {}))
        lines += [_row(folder, packs, own) for folder, packs, own in runs]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    return 0


def _speaking(scratch: Path) -> Path:
    """A Pocket TTS as large as the real one, with random weights."""
    folder = scratch / "pocket-tts, random weights"
    command = [sys.executable, "-m", "tests.voices", str(folder), "--real"]
    subprocess.run(command, cwd=_ROOT, check=True)
    return folder


def _row(folder: Path, packs: bool, own: dict[str, Any]) -> tuple[str, ...]:
    print(f"measuring {folder.name}", file=sys.stderr)
    plan, found = _filled(folder, packs, own)
    need = plan.need
    return (
        _DIGEST.sub("", folder.name),
        plan.spec.weight_form,
        f"{found.rows} of {found.row_tokens}" if found.row_tokens else str(found.rows),
        _pair(found.load.process_bytes, need.load_peak_bytes),
        _pair(found.load.mlx_bytes, need.load_peak_bytes - need.process_bytes),
        _pair(found.steady.process_bytes, need.total_bytes - need.readers_bytes),
        _pair(found.steady.mlx_bytes, need.mlx_bytes),
    )


def _filled(folder: Path, packs: bool, own: dict[str, Any]) -> tuple[Plan, Filled]:
    """With packed weights that are multiplied as they are, or unpacked."""
    facts = recognise(folder).facts
    assert facts is not None
    model = Model(folder.name, str(folder), facts, None, 0, "")
    blas = BlasFacts(None, None, packed=packs)
    machine = Machine(DeviceFacts("cpu", "", 0, None, {}, {}, blas), _BUDGET_BYTES)
    plan = plan_load(model, machine, _CONFIG, settings=resolve_model(_CONFIG, own))
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    vocabulary = vocabulary_size(config) or 1
    with tempfile.TemporaryDirectory() as cache_dir:
        return plan, asyncio.run(fill(plan, vocabulary=vocabulary, cache_dir=Path(cache_dir)))


def _pair(measured_bytes: int, planned_bytes: int) -> str:
    return f"{measured_bytes / 1e6:.0f} of {planned_bytes / 1e6:.0f}"


if __name__ == "__main__":
    raise SystemExit(main())
