"""Requests with pictures, and what plain mlx-vlm makes of them, in the child."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from mlx_gui.core.generation import GenerateRequest, ImagePart, Message, Sampling, TextPart
from tests.colours.swatches import swatch
from tests.support.pictures import encoded

GREEDY = Sampling(temperature=0)
ONE = "What colour is this?"
TWO = "Which colours are these?"


def picture(colour: str, size: tuple[int, int] = (64, 64)) -> ImagePart:
    return ImagePart(encoded(swatch(colour, size)))


def user(*parts: str | ImagePart) -> Message:
    return Message(
        "user", tuple(TextPart(each) if isinstance(each, str) else each for each in parts)
    )


def said(text: str) -> Message:
    return Message("assistant", (TextPart(text),))


def look(*messages: Message, **settings: Any) -> GenerateRequest:
    """A request for a greedy answer of up to 16 tokens that tells all ids."""
    usual = {"sampling": GREEDY, "max_tokens": 16, "tells_ids": True}
    return GenerateRequest(messages, **{**usual, **settings})


def asked(colour: str, size: tuple[int, int] = (64, 64), **settings: Any) -> GenerateRequest:
    """What colour a picture is."""
    return look(user(picture(colour, size), ONE), **settings)


# In the child


def plain(folder: Path, requests: Sequence[GenerateRequest]) -> list[tuple[int, ...]]:
    """The ids of each prompt and of what `mlx_vlm.stream_generate` says to it, without the end."""
    return [_plain(folder, request) for request in requests]


def _plain(folder: Path, request: GenerateRequest) -> tuple[int, ...]:
    from mlx_vlm import stream_generate
    from mlx_vlm.utils import prepare_inputs

    from tests.colours.training import prompt_of

    model, processor = _library(folder)
    images = [
        Image.open(BytesIO(part.data))
        for message in request.messages
        for part in message.parts
        if isinstance(part, ImagePart) and isinstance(part.data, bytes)
    ]
    prompt = prompt_of(processor.tokenizer, [_turn(message) for message in request.messages])
    inputs = prepare_inputs(
        processor, images=images or None, prompts=prompt, add_special_tokens=True
    )
    # What is wrong in one request must not be left for the next.
    for name in ("_rope_deltas", "_position_ids"):
        if hasattr(model.language_model, name):
            setattr(model.language_model, name, None)
    steps = stream_generate(
        model,
        processor,
        prompt,
        image=images or None,
        max_tokens=request.max_tokens,
        temperature=0.0,
    )
    ends = set(processor.tokenizer.stopping_criteria.eos_token_ids)
    # The last one comes once more, with the reason.
    tokens = [each.token for each in steps if each.finish_reason is None]
    return (*inputs["input_ids"][0].tolist(), *(each for each in tokens if each not in ends))


def _turn(message: Message) -> dict[str, Any]:
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return {"role": message.role, "content": message.text()}
    parts = [
        {"type": "text", "text": part.text} if isinstance(part, TextPart) else {"type": "image"}
        for part in message.parts
    ]
    return {"role": message.role, "content": parts}


@cache
def _library(folder: Path) -> tuple[Any, Any]:
    import mlx.core as mx
    from mlx_vlm import load

    model, processor = load(str(folder))
    model.set_dtype(mx.float32)
    return model, processor


_steps: list[str] = []


def log_steps() -> None:
    """Have the loaded model's tower and its decoder tell of each of their steps."""
    from tests.engines import remote

    resident = remote._engines[0]._resident
    _steps.clear()
    resident.looking._tower = _logged("look", resident.looking._tower)
    resident.decoder.step = _logged("step", resident.decoder.step)


def _logged(word: str, function: Any) -> Any:
    def call(*arguments: Any) -> Any:
        _steps.append(word)
        return function(*arguments)

    return call


def steps() -> list[str]:
    """What there was since `log_steps`, in order: `look` or `step`."""
    return list(_steps)


def fail_looks(count: int) -> None:
    """Have the tower fail in its next runs."""
    from tests.engines import remote

    looking = remote._engines[0]._resident.looking
    tower = looking._tower
    left = count

    def failing(placed: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise ValueError("the tower fell")
        return tower(placed)

    looking._tower = failing
