"""Requests with pictures, and what plain mlx-vlm makes of them, in the child."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import takewhile
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
    """The ids of each prompt and of what the plain library says to it, without the end."""
    return [_plain(folder, request) for request in requests]


def _plain(folder: Path, request: GenerateRequest) -> tuple[int, ...]:
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
    if model.config.model_type == "gemma3n":
        tokens = _by_two_libraries(folder, inputs, request.max_tokens or 0)
    else:
        tokens = _by_mlx_vlm(folder, prompt, images, request.max_tokens or 0)
    ends = set(processor.tokenizer.stopping_criteria.eos_token_ids)
    return (*inputs["input_ids"][0].tolist(), *takewhile(lambda each: each not in ends, tokens))


def _by_mlx_vlm(folder: Path, prompt: str, images: list[Any], max_tokens: int) -> list[int]:
    from mlx_vlm import stream_generate

    model, processor = _library(folder)
    # What is wrong in one request must not be left for the next.
    for name in ("_rope_deltas", "_position_ids"):
        if hasattr(model.language_model, name):
            setattr(model.language_model, name, None)
    steps = stream_generate(
        model,
        processor,
        prompt,
        image=images or None,
        max_tokens=max_tokens,
        temperature=0.0,
    )
    # The last one comes once more, with the reason.
    return [each.token for each in steps if each.finish_reason is None]


def _by_two_libraries(folder: Path, inputs: Any, max_tokens: int) -> list[int]:
    """What mlx-lm says after a prompt in which mlx-vlm's tower has looked at the pictures."""
    from mlx_lm.generate import generate_step

    from tests.colours.gemma3n import embedded

    model, _ = _library(folder)
    language = _language(folder)
    ids = inputs["input_ids"]
    table = language.model.language_model.embed_tokens
    values = embedded(model, table, ids, inputs.get("pixel_values"))
    steps = generate_step(ids[0], language, max_tokens=max_tokens, input_embeddings=values[0])
    return [token for token, _ in steps]


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

    from tests.colours.gemma3n import shrink_tower

    shrink_tower()
    model, processor = load(str(folder))
    model.set_dtype(mx.float32)
    return model, processor


@cache
def _language(folder: Path) -> Any:
    import mlx.core as mx
    from mlx_lm.utils import load_model

    model, _ = load_model(folder)
    model.set_dtype(mx.float32)
    return model


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


def log_parts_of_looks() -> None:
    """As `log_steps`, where a look is told of in each of its parts."""
    from tests.engines import remote

    resident = remote._engines[0]._resident
    tower = resident.looking._tower
    _steps.clear()

    def look(picture: Any) -> Any:
        glance = tower(picture)
        while True:
            _steps.append("look")
            try:
                next(glance)
            except StopIteration as ended:
                return ended.value
            yield

    resident.looking._tower = look
    resident.decoder.step = _logged("step", resident.decoder.step)


def _end_of_image() -> int:
    from tests.engines import remote

    return remote._engines[0]._resident.loaded.eyes._ids[-1]


def values_of_rows() -> tuple[list[float], list[float]]:
    """How much each token differs of two pictures that differ in their upper half alone.

    Those of the first row of tokens and of the second, of the loaded Gemma 3n. The blocks of its
    tower are left out, which mix all of a picture: what makes tokens sees the picture itself.
    """
    from types import SimpleNamespace

    import mlx.core as mx
    import numpy as np

    from mlx_gui.engines.text.pictures import Placed
    from mlx_gui.engines.vision.gemma3n import look
    from tests.engines import remote

    model = remote._engines[0]._resident.looking._tower.args[0]
    tower = model.vision_tower.timm_model
    channels = tower.msfa.in_channels // len(tower.msfa_indices)

    def shrink(values: Any) -> Any:
        means = values.reshape(1, 4, 16, 4, 16, 3).mean(axis=(2, 4))
        return mx.tile(means, (1, 1, 1, channels))[..., :channels]

    unmixed = SimpleNamespace(
        conv_stem=shrink, blocks=[[]] * 4, msfa_indices=tower.msfa_indices, msfa=tower.msfa
    )
    seeing = SimpleNamespace(
        vision_tower=SimpleNamespace(timm_model=unmixed), embed_vision=model.embed_vision
    )
    dice = np.random.default_rng(0)
    one = dice.random((1, 3, 64, 64), dtype=np.float32)
    other = one.copy()
    other[:, :, :32] = dice.random((1, 3, 32, 64), dtype=np.float32)
    seen: list[Any] = []
    for pixels in (one, other):
        glance = look(seeing, Placed(0, (_end_of_image(),) * 5, b"", {"pixel_values": pixels}))
        try:
            next(glance)
        except StopIteration as ended:
            seen.append(ended.value)
    change = mx.abs(seen[0] - seen[1]).mean(axis=-1).tolist()
    return change[:2], change[2:4]


def put_off(request: GenerateRequest) -> tuple[int, bool]:
    """The tokens of a request that may take no time at first, and whether it was put off."""
    from mlx_gui.engines.base import PreparedRequest, TakesLong, always_wanted
    from tests.engines import remote

    engine = remote._engines[0]
    desk = engine._resident.preparation._album._desk
    usual_s, desk._quick_s = desk._quick_s, 0
    was_put_off = False
    try:
        engine.prepare("slow", request)
    except TakesLong as long:
        was_put_off = True
        long.work(always_wanted)
    prepared = engine.prepare("slow", request)
    desk._quick_s = usual_s
    assert isinstance(prepared, PreparedRequest)
    return prepared.told.prompt_tokens, was_put_off
