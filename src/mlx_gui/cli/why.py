"""`mlx-gui why`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, facts_table, plain_table, write_json
from mlx_gui.cli.ps import stays
from mlx_gui.core.plan import PolicyAction
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.plan import DecisionBody
from mlx_gui.wire.status import LeftBody, LoadedModel, ManagerStatus

WORDS: dict[PolicyAction, str] = {
    "load": "loaded",
    "evict": "evicted",
    "expire": "expired",
    "unload": "unloaded",
    "drain": "let finish",
    "wait": "waits",
    "refuse": "refused",
    "reload": "loaded anew",
    "recycle": "recycled",
    "shrink": "caches shrunk",
}


def command(
    model: ModelName,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="COUNT", min=1, max=200, help="Decisions at most.")
    ] = 20,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """How the model is now, and what was decided about it, newest first."""
    with connect(url, data_dir) as client:
        found = client.model(model)
        status = client.manager()
        decisions = client.decisions(found.id, limit=limit).decisions
    if json:
        write_json(
            {
                "model": found.model_dump(mode="json"),
                "decisions": [each.model_dump(mode="json") for each in decisions],
            }
        )
        return
    now = datetime.now().astimezone()
    console().print(facts_table(list(present_rows(found, status, now))))
    console().print()
    if not decisions:
        console().print(f"Nothing was decided about {found.id} since the server started.")
        return
    table = plain_table("When", "What", "Why", wraps="Why")
    for decision in decisions:
        table.add_row(*decision_row(decision, found.id, now))
    console().print(table)


def present_rows(
    model: ModelObject, status: ManagerStatus, now: datetime
) -> Iterator[tuple[str, str]]:
    """How the model is, by name."""
    yield "Model", model.id
    yield "State", model.problem or model.state.replace("_", " ")
    if model.error is not None:
        yield "Last error", f"{model.error.message} {model.error.hint}".strip()
    for loaded in status.loaded_models:
        if loaded.id == model.id:
            yield from _loaded_rows(loaded, now)
            return
    for waiting in status.waiting:
        if waiting.id == model.id:
            yield "Requests", f"{waiting.queued} waiting"
            if waiting.waits_because is not None:
                yield "Waits", waiting.waits_because
    for unloaded in (*status.waiting, *status.unloaded_models):
        if unloaded.id == model.id:
            yield "Loads", _loads(unloaded.loads, unloaded.evictions)
            if unloaded.evicted_because is not None:
                yield "Evicted", unloaded.evicted_because
            if unloaded.left is not None:
                yield "Left", _left(unloaded.left, now)


def decision_row(decision: DecisionBody, model_id: str, now: datetime) -> tuple[str, str, str]:
    """When, what and why; what happened to another model names it."""
    when = _when(decision.at, now)
    what = WORDS[decision.action]
    if decision.model != model_id:
        what = f"{decision.model} {what}"
    if decision.cause not in (None, decision.model):
        what += f" for {decision.cause}"
    return when, what, decision.reason


def _left(left: LeftBody, now: datetime) -> str:
    for_whom = f" for {left.cause}" if left.cause is not None else ""
    return f"{_when(left.at, now)}, {WORDS[left.action]}{for_whom}: {left.reason}"


def _when(iso: str, now: datetime) -> str:
    at = datetime.fromisoformat(iso).astimezone(now.tzinfo)
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def _loaded_rows(loaded: LoadedModel, now: datetime) -> Iterator[tuple[str, str]]:
    yield (
        "Requests",
        f"{loaded.active} running of {loaded.slots} at a time, {loaded.queued} waiting",
    )
    if loaded.memory is not None:
        planned = f" of {format_bytes(loaded.need.total_bytes)} planned" if loaded.need else ""
        yield "Memory", f"{format_bytes(loaded.memory.total_bytes)}{planned}"
    yield "Unloads", stays(loaded, now)
    if loaded.priority:
        yield "Priority", str(loaded.priority)
    yield "Loads", _loads(loaded.loads, loaded.evictions)
    if loaded.evicted_because is not None:
        yield "Last evicted", loaded.evicted_because
    if loaded.serial_because is not None:
        yield "One at a time", loaded.serial_because


def _loads(loads: int, evictions: int) -> str:
    said = f"{loads} since the server started"
    if not evictions:
        return said
    return f"{said}, evicted {'once' if evictions == 1 else f'{evictions} times'}"
