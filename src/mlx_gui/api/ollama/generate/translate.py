"""Ollama's generate JSON ↔ core, nothing else."""

import re
from typing import Any

from mlx_gui.api.ollama.answers import Piece
from mlx_gui.api.ollama.generate.wire import OllamaGenerateRequest
from mlx_gui.api.ollama.pictures import source_of
from mlx_gui.api.ollama.translate import (
    grammar,
    limits,
    reasoning,
    sampling,
    top_logprobs,
    truncates,
)
from mlx_gui.api.pictures import Shown, refuse
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Message, Reasoning, TextPart

_GO_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:[.$]|/\*|(?:if|else|range|with|end|block|define|template|break|continue)\b)"
)


def to_core(body: OllamaGenerateRequest, *, shown: Shown) -> GenerateRequest:
    """The canonical request. Raises InvalidRequest, and what `Shown.picture` raises.

    Raises CapabilityMissing for pictures where the model reads text only.
    """
    _refuse_unserved(body)
    if body.images and not shown.sees:
        refuse("a picture", type_="images", where="images")
    end = limits(body.options)
    # What fills a gap is written without a template, as `raw` is.
    plain = body.raw or bool(body.suffix)
    return GenerateRequest(
        messages=() if plain else _messages(body, shown),
        prompt=body.prompt or "" if plain else None,
        suffix=body.suffix or "",
        earlier=tuple(body.context or ()),
        tells_ids=not plain,
        sampling=sampling(body.options),
        max_tokens=end.max_tokens,
        stop=end.stop,
        grammar=grammar(body),
        # Whoever writes the whole prompt gets the whole answer, unless thoughts are asked apart.
        reasoning=Reasoning(raw=True) if plain and not body.think else reasoning(body),
        top_logprobs=top_logprobs(body),
        truncate=truncates(body),
        template=body.template or None,
    )


def response_body(piece: Piece) -> dict[str, Any]:
    """The fields of a line that are this endpoint's own; tools cannot be offered here."""
    body = {"response": piece.text}
    if piece.thinking:
        body["thinking"] = piece.thinking
    return body


def _messages(body: OllamaGenerateRequest, shown: Shown) -> tuple[Message, ...]:
    pictures = [
        shown.picture(source_of(image, f"images[{number}]"))
        for number, image in enumerate(body.images or ())
    ]
    asked = Message("user", (*pictures, TextPart(body.prompt or "")))
    return (Message("system", (TextPart(body.system),)), asked) if body.system else (asked,)


def _refuse_unserved(body: OllamaGenerateRequest) -> None:
    if body.images and (body.raw or body.suffix):
        field = "raw" if body.raw else "suffix"
        raise InvalidRequest(
            f"`images` are not allowed with `{field}`: a prompt without a template has no place "
            "for them.",
            hint="Leave one of both out.",
            param="images",
        )
    if body.raw and (body.system or body.template or body.context):
        param = "system" if body.system else "template" if body.template else "context"
        raise InvalidRequest(
            f"`{param}` is not allowed with `raw`, which takes the prompt as it is.",
            hint="Write it into the prompt, or leave `raw` out.",
            param=param,
        )
    if body.suffix and (body.template or body.context):
        param = "template" if body.template else "context"
        raise InvalidRequest(
            f"`{param}` is not allowed with `suffix`: a gap is filled without one.",
            hint="Leave one of both out.",
            param=param,
        )
    if body.template and _GO_TEMPLATE.search(body.template):
        raise InvalidRequest(
            "`template` is a Go template; this server renders Jinja templates.",
            hint="Leave it out to use the model's own, or write it in Jinja.",
            param="template",
        )
