"""Fills a worker to its plan and reads how high its memory rose."""

import random
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from mlx_gui.control.machine.macos import footprint_bytes
from mlx_gui.control.plans.plan import Plan
from mlx_gui.core.blob import Blob
from mlx_gui.core.device import LIMITS, Backend
from mlx_gui.core.generation import Failed, GenerateRequest, Usage, WorkerRequest
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.ipc.child import Child
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    FromChild,
    Output,
    Ping,
    Pong,
    Ready,
    StartFailed,
    StartRequest,
    StartWorker,
)
from mlx_gui.kinds.embedding import EmbeddingOptions, EmbedRequest
from mlx_gui.kinds.memory import CACHE_STEP_TOKENS
from mlx_gui.kinds.reranker import RerankerOptions, RerankRequest
from mlx_gui.kinds.speech import SpeakRequest, SpeechOptions
from mlx_gui.kinds.transcription import TranscribeRequest, TranscriptionOptions
from tests.real.speech import two_cities

_ROUNDS = 2
"""The second one reads its prompts while what the first one left is kept."""

_SEED = 5
_PATIENCE_S = 5.0
_SOUND_S = 66
"""More than is decoded ahead of who listens."""
_SPOKEN = "The old keeper of the lighthouse counted ships."


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that a process had resident, and that MLX held in it.

    macOS keeps no mark of the most; there it is the footprint when the work was done.
    """

    process_bytes: int
    mlx_bytes: int


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of a plan: peaks of the load, and of the answers after it.

    `rows` of `row_tokens` are computed together at most, or take turns; where lengths do not matter
    `row_tokens` is 0.
    """

    load: Peaks
    steady: Peaks
    loaded: MemoryUse
    rows: int
    row_tokens: int


@dataclass(frozen=True, slots=True)
class _Work:
    """What fills a worker: in each turn the same again, of other tokens."""

    rows: int
    row_tokens: int
    requests: Callable[[int], Sequence[WorkerRequest]]


async def fill(
    plan: Plan,
    *,
    vocabulary: int,
    cache_dir: Path,
    before: Sequence[WorkerRequest] = (),
    backend: Backend = "cpu",
) -> Filled:
    """A worker of `plan` that has as much to do as it takes on at once.

    As many sequences as a pool has room for grow to their ends; batches of an encoder are full of
    its longest inputs; as many sounds are heard, or texts spoken, as take turns. Whoever is to be
    answered `before` them is so in each turn. Raises RuntimeError when the worker does not load or
    does not answer.
    """
    start = StartWorker(PROTOCOL_VERSION, plan.spec, "auto", str(cache_dir))
    child = await Child.start("worker", start, worker_environment(sys.platform))
    try:
        with TemporaryDirectory() as scratch:
            async with aclosing(child.messages()) as messages:
                ready = await _ready(messages)
                load = Peaks(_high_water_bytes(child.pid), ready.memory.load_peak_bytes)
                _lower_high_water(child.pid)
                work = _work(
                    plan.spec,
                    ready.credits,
                    vocabulary=vocabulary,
                    batch_tokens=LIMITS[backend].encoder_tokens,
                    scratch=Path(scratch),
                )
                for turn in range(_ROUNDS):
                    if before:
                        await _answered(child, messages, before)
                    await _answered(child, messages, work.requests(turn))
                child.send(Ping(1))
                use = await _pong(messages)
                steady = Peaks(_high_water_bytes(child.pid), use.peak_bytes)
    finally:
        await child.stop(ask_s=_PATIENCE_S, terminate_s=_PATIENCE_S)
    return Filled(load, steady, ready.memory, work.rows, work.row_tokens)


def _work(
    spec: LoadSpec, credits: int, *, vocabulary: int, batch_tokens: int, scratch: Path
) -> _Work:
    match spec.options:
        case EmbeddingOptions() as options:
            return _embedded(options.longest_tokens, vocabulary, batch_tokens)
        case RerankerOptions() as options:
            return _reranked(options.longest_tokens, batch_tokens)
        case TranscriptionOptions():
            return _heard(credits, scratch)
        case SpeechOptions():
            return _Work(credits, 0, lambda turn: [SpeakRequest(_SPOKEN, seed=turn)] * credits)
        case _:
            return _written(spec, credits, vocabulary)


def _written(spec: LoadSpec, rows: int, vocabulary: int) -> _Work:
    """Prompts that nothing in a cache begins with, and answers that outlast all reading."""
    spare = CACHE_STEP_TOKENS - 1
    row_tokens = min(spec.text.context, (spec.text.kv_pool_tokens + spare) // rows - spare)
    answer_tokens = min(row_tokens // 2, 16 + rows * row_tokens // 256)

    def requests(turn: int) -> Sequence[WorkerRequest]:
        prompts = _random_ids(rows, row_tokens - answer_tokens, vocabulary, turn)
        return [
            GenerateRequest(prompt=prompt, max_tokens=answer_tokens, ignore_eos=True)
            for prompt in prompts
        ]

    return _Work(rows, row_tokens, requests)


def _embedded(longest_tokens: int, vocabulary: int, batch_tokens: int) -> _Work:
    rows = max(batch_tokens // longest_tokens, 1)

    def requests(turn: int) -> Sequence[WorkerRequest]:
        return [EmbedRequest(tuple(_random_ids(2 * rows, longest_tokens, vocabulary, turn)))]

    return _Work(rows, longest_tokens, requests)


def _reranked(longest_tokens: int, batch_tokens: int) -> _Work:
    """Documents of which as much is read as there is room for."""
    rows = max(batch_tokens // longest_tokens, 1)

    def requests(turn: int) -> Sequence[WorkerRequest]:
        document = f"{turn} fox " * longest_tokens
        return [RerankRequest("fox", (document,) * 2 * rows, truncate=True)]

    return _Work(rows, longest_tokens, requests)


def _heard(rows: int, scratch: Path) -> _Work:
    """Speech, so that much is written of each window, and all of it is there at the same time.

    Above a temperature of 0 no window is tried a second time.
    """
    samples, rate_hz = soundfile.read(two_cities(), dtype="int16")
    times = -(-_SOUND_S * rate_hz // len(samples))
    path = scratch / "sound.wav"
    soundfile.write(path, np.tile(samples, times)[: _SOUND_S * rate_hz], rate_hz)
    sound = Blob(str(path), path.stat().st_size)
    return _Work(rows, 0, lambda _: [TranscribeRequest(sound, temperature=0.1)] * rows)


def _random_ids(rows: int, tokens: int, vocabulary: int, turn: int) -> list[tuple[int, ...]]:
    dice = random.Random(f"{_SEED} {turn}")
    return [tuple(dice.randrange(vocabulary) for _ in range(tokens)) for _ in range(rows)]


async def _ready(messages: AsyncIterator[FromChild]) -> Ready:
    async for message in messages:
        match message:
            case Ready():
                return message
            case StartFailed(error):
                raise RuntimeError(error.message)
            case _:
                pass
    raise RuntimeError("The worker ended while it loaded.")


async def _answered(
    child: Child, messages: AsyncIterator[FromChild], requests: Sequence[WorkerRequest]
) -> None:
    open_ids = {f"request-{index}" for index in range(len(requests))}
    for request_id, request in zip(sorted(open_ids), requests, strict=True):
        child.send(StartRequest(request_id, request))
    async for message in messages:
        for each in message.requests if isinstance(message, Output) else ():
            last = each.events[-1]
            if isinstance(last, Failed):
                raise RuntimeError(last.error.message)
            if isinstance(last, Usage):
                open_ids.remove(each.request_id)
        if not open_ids:
            return
    raise RuntimeError("The worker ended while it answered.")


async def _pong(messages: AsyncIterator[FromChild]) -> MemoryUse:
    async for message in messages:
        if isinstance(message, Pong):
            return message.memory
    raise RuntimeError("The worker ended.")


def _high_water_bytes(pid: int) -> int:
    """The largest resident set since the process began, or since the mark was lowered."""
    if sys.platform == "darwin":
        return footprint_bytes(pid) or 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _proc(pid, "status").read_text(), re.MULTILINE)
    assert found is not None, "a process that runs has a resident set"
    return int(found[1]) * 1024


def _lower_high_water(pid: int) -> None:
    if sys.platform == "darwin":
        return
    _proc(pid, "clear_refs").write_text("5")


def _proc(pid: int, name: str) -> Path:
    return Path("/proc") / str(pid) / name
