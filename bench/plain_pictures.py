"""Plain mlx-vlm as a measured program; see `bench.child`. Its first turn has the picture's path."""

import argparse
import ctypes
import time
from typing import Any, cast

from PIL import Image

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder and answer about pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    from mlx_vlm.generate import stream_generate
    from mlx_vlm.utils import load

    if arguments.blas:
        mx.disable_compile()
    loaded: tuple[Any, Any] = load(arguments.folder)
    model, processor = loaded
    if arguments.blas:
        model.set_dtype(mx.float32)

    def answer(ask: Ask) -> Timing:
        began_s = time.perf_counter()
        path = ask.before[0]["content"]
        shown = {"role": "user", "content": [{"type": "image"}]}
        prompt = processor.tokenizer.apply_chat_template(
            [shown, *ask.messages[1:]], add_generation_prompt=True, tokenize=False
        )
        times_s: list[float] = []
        read = 0
        steps = stream_generate(
            model,
            processor,
            prompt,
            image=cast(Any, [Image.open(path)]),
            max_tokens=ask.max_tokens,
            temperature=0.0,
        )
        for step in steps:
            times_s.append(time.perf_counter() - began_s)
            read = step.prompt_tokens
        mx.synchronize()
        return Timing(read, len(times_s), times_s[0], times_s[-1])

    converse(answer)


if __name__ == "__main__":
    main()
