"""A chat template is tried on a short conversation, without the model that it is for."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from mlx_gui.core.template_trial import TemplateTrial
from mlx_gui.engines.text.template import TemplateFailed, Templates
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object

_SAID = (
    ("user", "What is the capital of France?"),
    ("assistant", "Paris."),
    ("user", "And of Italy?"),
)
"""A conversation that every template takes: some know no system's turn. The interface marks what
stands around these texts, so it has them too."""

_TOKENS = ("special_tokens_map.json", "tokenizer_config.json")


def tried(source: str, folder: Path | None, arguments: Mapping[str, Any]) -> TemplateTrial:
    """What `source` makes of the conversation for the model in `folder`, with more `arguments`."""
    variables = {
        **({} if folder is None else _special_tokens(folder)),
        **arguments,
        "messages": [{"role": role, "content": text} for role, text in _SAID],
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
    }
    try:
        return TemplateTrial(Templates().render(source, variables))
    except TemplateFailed as failure:
        return TemplateTrial(reason=str(failure), line=failure.line)


def _special_tokens(folder: Path) -> dict[str, str]:
    """The texts of the tokens that templates write, such as `bos_token`, by these names."""
    found: dict[str, str] = {}
    for file in _TOKENS:
        with suppress(DamagedFile):
            for name, value in read_json_object(folder / file).items():
                if name.endswith("_token") and (text := _text(value)) is not None:
                    found[name] = text
    return found


def _text(value: object) -> str | None:
    """A token is its text, or an object that has it."""
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("content")
    return value if isinstance(value, str) else None
