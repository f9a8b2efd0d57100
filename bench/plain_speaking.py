"""Plain mlx-audio that speaks as a measured program; see `bench.child`. It is asked a text."""

import argparse
import ctypes
import time
from pathlib import Path
from typing import Any

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder and speak what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    parser.add_argument("--form", help="a WeightForm to hold the weights in")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    import numpy as np

    from mlx_gui.engines.speech.loading import leave_codecs_out
    from mlx_gui.engines.weights import hold_weights

    leave_codecs_out()
    from mlx_audio.tts.utils import load_model

    if arguments.blas:
        mx.disable_compile()
    model: Any = load_model(
        arguments.folder, lazy=True, model_type="pocket_tts", model_name_parts=[]
    )
    hold_weights(model, arguments.form, lambda *_: None)

    def answer(ask: Ask) -> Timing:
        began_s = time.perf_counter()
        said = model.generate(ask.text, stream=True, streaming_interval=0.08)
        pieces = [np.array(next(said).audio)]
        first_s = time.perf_counter() - began_s
        pieces += [np.array(each.audio) for each in said]
        return Timing(0, sum(map(len, pieces)), first_s, time.perf_counter() - began_s)

    converse(answer)


if __name__ == "__main__":
    main()
