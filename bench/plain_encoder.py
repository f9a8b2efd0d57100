"""Plain mlx-vlm making vectors as a measured program; see `bench.child`.

An ask's text is a JSON list of texts, which are read together in one padded batch.
"""

import argparse
import ctypes
import json
import time
from pathlib import Path

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder and answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    parser.add_argument("--form", default="float32", help="a WeightForm to hold the weights in")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    from mlx_vlm.embedding_loader import load_embedding_model
    from mlx_vlm.models.pooling import read_pooling_config
    from transformers import AutoTokenizer

    from mlx_gui.engines.weights import hold_weights

    if arguments.blas:
        mx.disable_compile()
    folder = Path(arguments.folder)
    model = load_embedding_model(folder)
    model.pooling_config = read_pooling_config(folder)
    hold_weights(model, arguments.form, lambda *_: None)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def answer(ask: Ask) -> Timing:
        began_s = time.perf_counter()
        read = tokenizer(json.loads(ask.text), padding=True, return_tensors="np")
        mask = mx.array(read["attention_mask"])
        mx.eval(model(mx.array(read["input_ids"]), attention_mask=mask).text_embeds)
        took_s = time.perf_counter() - began_s
        return Timing(int(read["attention_mask"].sum()), 0, took_s, took_s)

    converse(answer)


if __name__ == "__main__":
    main()
