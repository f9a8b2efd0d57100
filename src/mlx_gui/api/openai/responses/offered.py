"""The tools of a request as the model sees them, and the way back to the client's own names.

The model sees one list of functions. A function of a namespace keeps its bare name where no other
tool has it, else the namespace stands before it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from mlx_gui.api.fields import MAX_TOOLS
from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.custom import checked_grammar, custom_tool
from mlx_gui.api.openai.responses.functions import checked_name, function
from mlx_gui.api.openai.responses.wire.request import InnerTool, ToolField
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Tool

MAX_NAME_LENGTH = 64
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the client calls a tool, and whether it takes text instead of arguments."""

    name: str
    namespace: str | None = None
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Offered:
    """The tools, whose names the model sees, and what the client calls each of these."""

    tools: tuple[Tool, ...]
    origins: Mapping[str, Origin]
    left_out: tuple[str, ...] = ()
    """The types of tools that this server does not have."""

    def names_of(self, name: str | None, namespace: str | None) -> list[str]:
        """What the model sees of the client's `name`; several where the namespace is missing."""
        return [
            shown
            for shown, origin in self.origins.items()
            if origin.name == name and namespace in (None, origin.namespace)
        ]

    def shown(self, name: str, namespace: str | None) -> str:
        """The name by which an earlier call is shown; one that is not offered any more as it is."""
        names = self.names_of(name, namespace)
        return name if name in names or len(names) != 1 else names[0]

    def of_namespace(self, namespace: str) -> list[str]:
        """What the model sees of the tools of one namespace."""
        return [shown for shown, origin in self.origins.items() if origin.namespace == namespace]


@dataclass(frozen=True, slots=True)
class _Found:
    """A tool with its own name, before it is known how the model sees it."""

    tool: Tool
    origin: Origin
    where: str


def offer(tools: Sequence[ToolField], notices: Notices) -> Offered:
    """What of `tools` the model sees; what this server does not have is noted as left out.

    Raises InvalidRequest.
    """
    left_out: list[str] = []
    found = list(_found(tools, left_out))
    notices.leave_out(left_out)
    if len(found) > MAX_TOOLS:
        raise InvalidRequest(
            f"`tools` has {len(found)} tools with those of its namespaces; {MAX_TOOLS} are the "
            "most.",
            hint="Offer only what this turn may need.",
            param="tools",
        )
    _check_twins(found)
    shown = _shown_names(found)
    return Offered(
        tools=tuple(
            msgspec.structs.replace(each.tool, name=name)
            for name, each in zip(shown, found, strict=True)
        ),
        origins={name: each.origin for name, each in zip(shown, found, strict=True)},
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _found(tools: Sequence[ToolField], left_out: list[str]) -> Iterator[_Found]:
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if tool.type == "namespace":
            yield from _in_namespace(tool, left_out, where=where)
        elif tool.type in ("function", "custom"):
            yield _one(tool, None, where=where)
        else:
            left_out.append(tool.type)


def _in_namespace(tool: ToolField, left_out: list[str], *, where: str) -> Iterator[_Found]:
    if not tool.name:
        raise InvalidRequest(f"`{where}.name` is required.", param=f"{where}.name")
    for index, inner in enumerate(tool.tools or ()):
        place = f"{where}.tools[{index}]"
        if inner.type == "namespace":
            raise InvalidRequest(
                f"`{place}` is a namespace in the namespace {tool.name[:64]!r}.",
                hint="A namespace holds functions and custom tools; put the inner one beside it.",
                param=f"{place}.type",
            )
        if inner.type in ("function", "custom"):
            yield _one(inner, tool.name, where=place)
        else:
            left_out.append(inner.type)


def _one(tool: InnerTool, namespace: str | None, *, where: str) -> _Found:
    if tool.type == "function":
        strict = tool.strict or False
        described = function(
            tool.name, tool.description, tool.parameters, strict=strict, where=where
        )
        return _Found(described, Origin(described.name, namespace), where)
    name = checked_name(tool.name, where=where)
    form = tool.format
    syntax, definition = (
        checked_grammar(form.type, form.syntax, form.definition, where=f"{where}.format")
        if form
        else (None, None)
    )
    described = custom_tool(name, tool.description, syntax=syntax, definition=definition)
    return _Found(described, Origin(name, namespace, custom=True), where)


def _check_twins(found: Sequence[_Found]) -> None:
    seen: set[tuple[str | None, str]] = set()
    for each in found:
        name, namespace = each.origin.name, each.origin.namespace
        if (namespace, name) in seen:
            inside = "" if namespace is None else f" in the namespace {namespace[:64]!r}"
            raise InvalidRequest(
                f"`{each.where}` is a second tool with the name {name!r}{inside}.",
                hint="Give each tool a name of its own.",
                param=each.where,
            )
        seen.add((namespace, name))


def _shown_names(found: Sequence[_Found]) -> list[str]:
    """For each tool a name that no other has; the same tools always get the same names."""
    counts = Counter(each.origin.name for each in found)
    bare = {
        each.origin.name
        for each in found
        if each.origin.namespace is None or counts[each.origin.name] == 1
    }
    taken = set(bare)
    return [_shown_name(each.origin, counts, taken) for each in found]


def _shown_name(origin: Origin, counts: Counter[str], taken: set[str]) -> str:
    if origin.namespace is None or counts[origin.name] == 1:
        return origin.name
    qualified = f"{_UNFIT.sub('_', origin.namespace)}__{origin.name}"
    name, number = qualified, 0
    while name in taken or len(name) > MAX_NAME_LENGTH:
        digest = sha256(f"{origin.namespace}\n{origin.name}\n{number}".encode()).hexdigest()[:8]
        name, number = f"ns{digest}_{qualified[11 - MAX_NAME_LENGTH :]}", number + 1
    taken.add(name)
    return name
