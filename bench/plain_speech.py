"""Plain mlx-audio as a measured program; see `bench.child`. It is asked the path of a file."""

import argparse
import ctypes
import time
from pathlib import Path
from typing import Any

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder and write down what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    parser.add_argument("--form", help="a WeightForm to hold the weights in")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    import numpy as np
    import samplerate
    import soundfile
    from mlx_audio.stt.utils import load_model

    from mlx_gui.engines.weights import hold_weights

    if arguments.blas:
        mx.disable_compile()
    model: Any = load_model(arguments.folder, lazy=True, model_name_parts=[])
    hold_weights(model, arguments.form, lambda *_: None)
    wide = arguments.form != "stored"
    if wide:
        model.dtype = mx.float32
        positions = model.encoder._positional_embedding
        model.encoder._positional_embedding = positions.astype(mx.float32)
        model.decoder._mask = model.decoder._mask.astype(mx.float32)

    def answer(ask: Ask) -> Timing:
        began_s = time.perf_counter()
        samples, rate_hz = soundfile.read(ask.text, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        if rate_hz != 16_000:
            mono = samplerate.resample(mono, 16_000 / rate_hz, "sinc_medium")
        said = model.generate(mono.astype(np.float32), fp16=not wide)
        took_s = time.perf_counter() - began_s
        return Timing(0, len(said.text.split()), took_s, took_s)

    converse(answer)


if __name__ == "__main__":
    main()
