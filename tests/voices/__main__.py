"""Writes a model: `python -m tests.voices FOLDER`; with `--real` in the shape of the real Pocket
TTS, with `--qwen` a tiny Qwen3-TTS."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(folder: Path, *, real: bool, qwen: bool) -> None:
    prepare_process()
    from mlx_gui.engines.speech.loading import leave_codecs_out

    leave_codecs_out()
    if qwen:
        from tests.voices.qwen import build as build_qwen

        build_qwen(folder)
        return
    from tests.voices.pocket import REAL, TINY, build

    build(folder, REAL if real else TINY)


if __name__ == "__main__":
    main(Path(sys.argv[1]), real="--real" in sys.argv, qwen="--qwen" in sys.argv)
