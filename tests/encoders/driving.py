"""An encoder's engine, driven in a child process; and what the plain library makes of texts."""

import importlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlx_gui.core.device import BlasFacts, DeviceFacts
from mlx_gui.core.generation import Event, Result, Usage, WorkerRequest
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import TakesLong, always_wanted
from mlx_gui.kinds.base import LoadAsked
from mlx_gui.kinds.registry import kind_of, recognise
from tests.engines.remote import Child
from tests.support.preparing import prepare

Vectors = list[list[float]]


def spec_of(folder: Path, **settings: Any) -> LoadSpec:
    """What a server on a processor with enough memory would load, with these model settings."""
    recognised = recognise(folder)
    assert recognised.facts is not None, recognised.problem
    usual: dict[str, Any] = {
        "context_tokens": "auto",
        "pooling": None,
        "normalize": "model",
        "prompts": {},
        "truncate": False,
    }
    kind = kind_of(recognised.facts.kind)
    model: Any = SimpleNamespace(id=f"test/{folder.name}", path=str(folder))
    blas = BlasFacts(None, None, packed=True)
    device = DeviceFacts("cpu", "some", 1 << 40, None, {}, {}, blas)
    planned = kind.plan(
        LoadAsked(
            model=model,
            facts=recognised.facts,
            device=device,
            engine=kind.engine,
            room_bytes=1 << 40,
            settings=SimpleNamespace(**{**usual, **settings}),  # type: ignore[arg-type]
            corrected=lambda _spec, need: need,
        )
    )
    return planned.spec


class Engine:
    """One engine at a time in `child`."""

    def __init__(self, child: Child) -> None:
        self.child = child

    def load(self, folder: Path, **settings: Any) -> "Engine":
        self.child.call(load, spec_of(folder, **settings))
        return self

    def answers(self, requests: Mapping[str, WorkerRequest]) -> dict[str, list[Event]]:
        """All events of requests that are admitted together."""
        for request_id, request in requests.items():
            self.admit(request_id, request)
        return self.drain()

    def answer(self, request: WorkerRequest) -> list[Event]:
        return self.answers({"alone": request})["alone"]

    def admit(self, request_id: str, request: WorkerRequest) -> Event:
        """The first event."""
        return self.child.call(_admit, request_id, request)

    def step(self) -> dict[str, list[Event]]:
        return self.child.call(_step)

    def drain(self) -> dict[str, list[Event]]:
        told: dict[str, list[Event]] = {}
        while self.child.call(_call, "busy"):
            for request_id, events in self.step().items():
                told.setdefault(request_id, []).extend(events)
        return told

    def call(self, method: str, *arguments: Any) -> Any:
        return self.child.call(_call, method, *arguments)


def numbers(events: Sequence[Event]) -> Vectors:
    """The numbers of the results, in the order of the inputs."""
    assert isinstance(events[-1], Usage), events[-1]
    results = {event.index: event.value for event in events if isinstance(event, Result)}
    assert sorted(results) == list(range(len(results)))
    return [
        list(struct.unpack(f"<{len(value) // 4}f", value)) for _, value in sorted(results.items())
    ]


def plain_vectors(folder: Path, texts: Sequence[str]) -> Vectors:
    """In the child: what mlx-vlm itself makes of `texts` in one padded batch."""
    import mlx.core as mx
    from mlx_vlm.embedding_loader import load_embedding_model
    from mlx_vlm.models.pooling import read_pooling_config
    from transformers import AutoTokenizer

    config = json.loads((folder / "config.json").read_text())
    theta = {
        "global_rope_theta": config.get("rope_parameters", {}).get("full_attention"),
        "local_rope_theta": config.get("rope_parameters", {}).get("sliding_attention"),
    }
    config |= {name: each["rope_theta"] for name, each in theta.items() if each}
    if kinds := config.get("layer_types"):
        config["sliding_window_pattern"] = kinds.index("full_attention") + 1
    model: Any = load_embedding_model(folder, config=config)
    model.pooling_config = read_pooling_config(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    read = tokenizer(list(texts), padding=True, return_tensors="np")
    output = model(mx.array(read["input_ids"]), attention_mask=mx.array(read["attention_mask"]))
    return output.text_embeds.astype(mx.float32).tolist()


def plain_scores(folder: Path, query: str, documents: Sequence[str]) -> list[float]:
    """In the child: what mlx-vlm itself makes of the pairs in one padded batch."""
    import mlx.core as mx
    from mlx_vlm.reranker_loader import load_sequence_classification_model
    from transformers import AutoTokenizer

    config = json.loads((folder / "config.json").read_text())
    theta = {
        "global_rope_theta": config.get("rope_parameters", {}).get("full_attention"),
        "local_rope_theta": config.get("rope_parameters", {}).get("sliding_attention"),
    }
    config |= {name: each["rope_theta"] for name, each in theta.items() if each}
    model: Any = load_sequence_classification_model(folder, config=config)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    queries = [query] * len(documents)
    read = tokenizer(queries, list(documents), padding=True, return_tensors="np")
    given = {name: mx.array(read[name]) for name in tokenizer.model_input_names if name in read}
    logits = model(**given).logits[:, 0]
    return mx.sigmoid(logits.astype(mx.float32)).tolist()


def plain_judgements(folder: Path, asked: Sequence[str], before: str, behind: str) -> list[float]:
    """In the child: what plain mlx-lm makes of each text alone, its chance of yes against no."""
    import mlx.core as mx
    from mlx_lm.utils import load_model
    from transformers import AutoTokenizer

    model: Any
    model, _ = load_model(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    chances: list[float] = []
    for text in asked:
        logits = model(mx.array([ids(before) + ids(text) + ids(behind)]))[0, -1].astype(mx.float32)
        chances.append(mx.softmax(mx.stack([logits[no], logits[yes]]))[1].item())
    return chances


# In the child


_engines: list[Any] = []


def load(spec: LoadSpec) -> None:
    while _engines:
        _engines.pop().close()
    engine = importlib.import_module(spec.engine).create()
    engine.load(spec, lambda *_: None)
    _engines.append(engine)


def _admit(request_id: str, request: WorkerRequest) -> Event:
    prepared = prepare(_engines[0], request_id, request)
    _engines[0].admit(prepared)
    return prepared.told


def tokens_with_others_between(long: WorkerRequest, short: WorkerRequest) -> list[int]:
    """In the child: the tokens of `short`, prepared while `long` waits, and those of `long`."""
    engine = _engines[0]
    try:
        engine.prepare("long", long)
    except TakesLong as taken:
        between = engine.prepare("short", short)
        taken.work(always_wanted)
    else:
        raise AssertionError("the long one was read while others waited")
    return [each.told.prompt_tokens for each in (between, engine.prepare("long", long))]


def _step() -> dict[str, list[Event]]:
    return {each.request_id: list(each.events) for each in _engines[0].step()}


def _call(method: str, *arguments: Any) -> Any:
    return getattr(_engines[0], method)(*arguments)
