"""Plain mlx-lm as a measured program; see `bench.child`."""

import argparse
import ctypes
import time

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder and answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    parser.add_argument("--form", help="a WeightForm to hold the weights in")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    from mlx_lm import load, stream_generate
    from mlx_lm.generate import generation_stream

    if arguments.blas:
        mx.disable_compile()
    model, tokenizer, *_ = load(arguments.folder)
    if arguments.form:
        from mlx_gui.engines.text.weights import hold_weights

        hold_weights(model, arguments.form, lambda *_: None)

    def answer(ask: Ask) -> Timing:
        began_s = time.perf_counter()
        prompt = tokenizer.apply_chat_template(ask.messages, add_generation_prompt=True)
        times_s: list[float] = []
        tokens = 0
        for response in stream_generate(model, tokenizer, prompt, max_tokens=ask.max_tokens):
            times_s.append(time.perf_counter() - began_s)
            tokens = response.generation_tokens
        # It computes one token ahead, which must not run into the other side's time.
        mx.synchronize(generation_stream)
        return Timing(len(prompt), tokens, times_s[0], times_s[-1])

    converse(answer)


if __name__ == "__main__":
    main()
