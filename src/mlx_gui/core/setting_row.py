"""A row of a table of settings, and the values that fit it."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, cast

Value = str | int | float | bool | tuple[str, ...] | dict[str, Any]
ContextTokens = int | Literal["auto"]
"""A length of the context; `auto` leaves it to the planner."""

Source = Literal["default", "file", "interface", "environment", "command line"]
ModelSource = Literal["default", "server", "model"]
ENVIRONMENT_PREFIX = "MLX_GUI_"
LONGEST_TEXT = 1_000_000
DEEPEST_OBJECT = 16


class Unfit(ValueError):
    """Its text is what the value must be instead."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `default` None means: computed by whoever resolves the table.

    A list is an array in a file; in the environment and on the command line it is one text whose
    members are set apart by `separator`. An object is JSON there. `lines` is a text of several
    lines. Instead of a number there may be one of `words`. What is not `in_data_dir` decides where
    that directory is, so neither the file nor the interface, which lie in it, can set it. `restart`
    says whether a change waits for the next start of the server, or of a model's worker; `reload`,
    whether it holds for each model from its next load on. What is `secret` is never shown. `plain`
    writes a text, or each member of a list, as the program compares it, and raises Unfit.
    """

    name: str
    type: Literal["text", "lines", "integer", "number", "switch", "list", "object"]
    default: Value | None
    help: str
    _: KW_ONLY
    bounds: tuple[float, float] = (-math.inf, math.inf)
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    separator: str = ","
    in_data_dir: bool = True
    restart: bool = False
    reload: bool = False
    secret: bool = False
    plain: Callable[[str], str] | None = None

    @property
    def environment_name(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def unit(self) -> Literal["bytes", "s", "days", "tokens", ""]:
        """Names end in their unit."""
        suffix = self.name.rpartition("_")[2]
        return suffix if suffix in ("bytes", "s", "days", "tokens") else ""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """All settings of one model; `model_settings.py` has their rows.

    `sources` tells for each name where its value came from.
    """

    context_tokens: ContextTokens
    slots: int
    keep_alive_s: int
    pinned: bool
    priority: int
    preload: bool
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    chat_template: str | None
    template_arguments: dict[str, Any]
    tool_prompt: Literal["generic", "refuse"]
    truncate: bool
    reasoning: Literal["on", "off", "model"]
    draft_model: str | None
    draft_tokens: int
    kv_bits: Literal[0, 4, 8]
    vision: Literal["auto", "off"]
    prefix_cache_bytes: int
    memory_limit_bytes: int
    pooling: Literal["cls", "mean", "max", "lasttoken", "weightedmean", "mean_sqrt_len"] | None
    normalize: Literal["on", "off", "model"]
    prompts: dict[str, Any]
    sources: Mapping[str, ModelSource]


def advice(key: str, known: Collection[str]) -> str:
    """What to write instead of the unknown `key`."""
    import difflib  # only a refusal needs it

    spelled = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(key.casefold(), spelled, n=1)
    return f"Did you mean {spelled[near[0]]}?" if near else f"Known are {', '.join(known)}."


def shown(raw: object) -> str:
    """`raw` as a refusal repeats it."""
    text = repr(raw)
    return text if len(text) <= 80 else text[:77] + "..."


def refused(row: Setting, raw: object) -> str:
    """`raw` as a refusal of it repeats it."""
    return "what was sent" if row.secret else shown(raw)


def from_text(row: Setting, raw: object) -> object:
    """`raw` typed as a file would hold it; what cannot be is left for `fitted` to refuse."""
    if not isinstance(raw, str):
        return raw
    text = raw.strip()
    try:
        match row.type:
            case "lines":
                return raw
            case "text":
                return text
            case "integer":
                return text.lower() if text.lower() in row.words else int(text)
            case "number":
                return float(text)
            case "switch":
                return _SWITCHES[text.lower()]
            case "list":
                return [part for part in map(str.strip, text.split(row.separator)) if part]
            case "object":
                import json  # no other type needs it

                return json.loads(text)
    except (ValueError, KeyError, RecursionError):
        return raw


def fitted(row: Setting, raw: object) -> Value:
    """`raw` as the value of `row`. Raises Unfit."""
    match row.type:
        case "text":
            return _text(row, raw)
        case "lines":
            return _lines(raw)
        case "list":
            if not isinstance(raw, list | tuple):
                raise Unfit("a list of texts")
            return tuple(_text(row, member) for member in cast("list[object]", raw))
        case "switch":
            if not isinstance(raw, bool):
                raise Unfit("true or false")
            return raw
        case "integer":
            if isinstance(raw, str) and raw in row.words:
                return raw
            if not isinstance(raw, int) or isinstance(raw, bool) or not _within(row, raw):
                raise Unfit(" or ".join((f"a whole number {_bounds(row)}", *row.words)))
            return raw
        case "number":
            if not isinstance(raw, int | float) or isinstance(raw, bool) or not _within(row, raw):
                raise Unfit(f"a number {_bounds(row)}")
            return float(raw)
        case "object":
            if not isinstance(raw, dict) or not _plain(cast(object, raw), DEEPEST_OBJECT):
                raise Unfit(
                    f"a JSON object, at most {DEEPEST_OBJECT} levels deep and with whole numbers "
                    "of 64 bits"
                )
            return cast("dict[str, Any]", raw)


_SWITCHES: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def _text(row: Setting, raw: object) -> str:
    if row.choices and raw not in row.choices:
        raise Unfit("one of " + ", ".join(row.choices))
    if not isinstance(raw, str) or not raw or not raw.isprintable():
        raise Unfit("a text of printable characters")
    return raw if row.plain is None else row.plain(raw)


def _lines(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or len(raw) > LONGEST_TEXT:
        raise Unfit(f"a text of at most {LONGEST_TEXT} characters")
    return raw


def _within(row: Setting, number: float) -> bool:
    """False for NaN, too: no comparison with it holds."""
    low, high = row.bounds
    return low <= number <= high and (not row.choices or str(number) in row.choices)


def _bounds(row: Setting) -> str:
    low, high = row.bounds
    return f"out of {', '.join(row.choices)}" if row.choices else f"from {low} to {high}"


def _plain(value: object, levels: int) -> bool:
    """Whether any encoding of JSON or msgpack can carry `value`."""
    match value:
        case dict():
            members = cast("dict[object, object]", value).values()
        case list():
            members = cast("list[object]", value)
        case float():
            return math.isfinite(value)
        case int():
            return -(2**63) <= value < 2**63
        case _:
            return True
    return levels > 0 and all(_plain(member, levels - 1) for member in members)
