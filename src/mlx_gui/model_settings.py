"""The settings of one model: the table of their rows, and what comes out of it.

What is not set for a model is the server's setting of the same meaning where there is one, else
the row's default; None leaves the choice to the model's own files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlx_gui.config import Config
from mlx_gui.core import setting_changes
from mlx_gui.core.setting_row import ModelSettings, ModelSource, Setting, Value


@dataclass(frozen=True, slots=True)
class ModelSetting(Setting):
    """One row. `server` names the setting of the whole server that holds until this one is set.

    What is set for a base model holds for it with an adapter too, unless the row is `alone`.
    """

    server: str = ""
    alone: bool = False
    restart: bool = field(default=True, kw_only=True)


MODEL_SETTINGS: tuple[ModelSetting, ...] = (
    ModelSetting(
        "context_tokens",
        "integer",
        None,
        "Longest context, prompt and answer together; never more than the model was made for, nor "
        "than fits into memory. `auto` is the longest up to 65,536 within an eighth of the budget.",
        bounds=(16, 10_000_000),
        words=("auto",),
        server="max_context_tokens",
    ),
    ModelSetting(
        "slots",
        "integer",
        None,
        "Sequences decoded together.",
        bounds=(1, 256),
        server="slots",
    ),
    ModelSetting(
        "keep_alive_s",
        "integer",
        None,
        "Time the model stays loaded after its last request; 0 unloads at once, -1 never.",
        bounds=(-1, 10 * 365 * 86_400),
        restart=False,
        server="keep_alive_s",
    ),
    ModelSetting(
        "pinned",
        "switch",
        False,
        "Keep the model in memory once it is loaded: it is not evicted and does not expire.",
        restart=False,
        alone=True,
    ),
    ModelSetting(
        "priority",
        "integer",
        0,
        "Models of a lower priority leave first when another needs room.",
        bounds=(-10, 10),
        restart=False,
    ),
    ModelSetting(
        "preload",
        "switch",
        False,
        "Load the model when the server starts.",
        restart=False,
        alone=True,
    ),
    ModelSetting(
        "temperature",
        "number",
        None,
        "How freely tokens are chosen where a request does not say; 0 takes the likeliest.",
        bounds=(0, 2),
    ),
    ModelSetting(
        "top_p",
        "number",
        None,
        "Choose among the likeliest tokens that have this chance together.",
        bounds=(0, 1),
    ),
    ModelSetting(
        "top_k",
        "integer",
        None,
        "Choose among so many of the likeliest tokens; 0 among all.",
        bounds=(0, 1_000_000),
    ),
    ModelSetting(
        "min_p",
        "number",
        None,
        "Choose among tokens with at least this part of the likeliest one's chance.",
        bounds=(0, 1),
    ),
    ModelSetting(
        "repetition_penalty",
        "number",
        None,
        "Divide the logits of tokens that were there already by this; 1 does nothing.",
        bounds=(0.01, 10),
    ),
    ModelSetting("chat_template", "lines", None, "Jinja chat template in place of the model's."),
    ModelSetting("template_arguments", "object", {}, "More variables for the chat template."),
    ModelSetting(
        "tool_prompt",
        "text",
        None,
        "What becomes of tools where the template knows none: `generic` describes them in the "
        "prompt, `refuse` answers with an error.",
        choices=("generic", "refuse"),
        server="tool_prompt",
    ),
    ModelSetting(
        "truncate",
        "switch",
        None,
        "Drop the oldest turns of a conversation that is longer than the context, and the end of "
        "a text to embed or to rank that is longer than the model reads.",
        server="truncate",
    ),
    ModelSetting(
        "reasoning",
        "text",
        "model",
        "Whether the model thinks before it answers, where a request does not say.",
        choices=("on", "off", "model"),
    ),
    ModelSetting(
        "draft_model",
        "text",
        None,
        "Id of a small installed model with the same vocabulary that drafts answers. With it the "
        "model answers one request at a time.",
    ),
    ModelSetting("draft_tokens", "integer", 3, "Tokens drafted at a time.", bounds=(1, 16)),
    ModelSetting(
        "kv_bits",
        "integer",
        None,
        "Bits of a value in the KV cache; 0 leaves it as the model computes. With 4 or 8 the model "
        "answers one request at a time.",
        bounds=(0, 8),
        choices=("0", "4", "8"),
        server="kv_bits",
    ),
    ModelSetting(
        "vision",
        "text",
        "auto",
        "Whether a model that has the weights to see with looks at pictures; with `off` it is "
        "loaded without them, as a text model.",
        choices=("auto", "off"),
    ),
    ModelSetting(
        "prefix_cache_bytes",
        "integer",
        None,
        "Memory in which the prompts of earlier requests are kept; 0 keeps none.",
        bounds=(0, 2**50),
        server="prefix_cache_bytes",
    ),
    ModelSetting(
        "memory_limit_bytes",
        "integer",
        0,
        "Most memory that the model may take, its caches included; 0 leaves it to the machine.",
        bounds=(0, 2**50),
    ),
    ModelSetting(
        "pooling",
        "text",
        None,
        "How an embedding model makes the vector of a text from those of its tokens; must be set "
        "where its files do not say.",
        choices=("cls", "mean", "max", "lasttoken", "weightedmean", "mean_sqrt_len"),
    ),
    ModelSetting(
        "normalize",
        "text",
        "model",
        "Whether vectors of an embedding model get the length 1.",
        choices=("on", "off", "model"),
    ),
    ModelSetting(
        "prompts",
        "object",
        {},
        "What an embedding model reads before a text, by the name that a request calls it, like "
        '`{"query": "query: "}`; beside those of its files.',
    ),
)
_ROWS = {row.name: row for row in MODEL_SETTINGS}


def resolve_model(config: Config, own: Mapping[str, Value]) -> ModelSettings:
    """What holds for a model for which `own` was set, checked as by `checked`."""
    values: dict[str, Any] = {row.name: inherited(row, config) for row in MODEL_SETTINGS}
    sources: dict[str, ModelSource] = {}
    for row in MODEL_SETTINGS:
        sources[row.name] = "model" if row.name in own else "server" if row.server else "default"
    values.update(own)
    return ModelSettings(**values, sources=sources)


def inherited(row: ModelSetting, config: Config) -> Value | None:
    """What holds where a model does not say."""
    return getattr(config, row.server) if row.server else row.default


def checked(changes: Mapping[str, object]) -> dict[str, Value | None]:
    """The values of `changes` by name; None, which resets one, stays. Raises InvalidRequest."""
    return setting_changes.checked(_ROWS, changes, of="a model")


def with_adapter(own: Mapping[str, Value]) -> dict[str, Value]:
    """The part of what was set for a base model that holds for it with an adapter, too."""
    return {name: value for name, value in own.items() if not _ROWS[name].alone}
