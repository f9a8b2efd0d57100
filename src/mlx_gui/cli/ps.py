"""`mlx-gui ps`."""

from datetime import UTC, datetime

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.wire.status import LoadedModel, WaitingModel


def command(*, json: Json = False, url: Url = None, data_dir: DataDir = None) -> None:
    with connect(url, data_dir) as client:
        status = client.manager()
    if json:
        write_json(status)
        return
    if not status.loaded_models:
        console().print("No model is in memory.")
    else:
        columns = (
            "Model", "State", ">Process", ">Memory", ">Context", ">Running", ">Waiting", "Unloads",
        )  # fmt: skip
        table = plain_table(*columns, wraps="Model")
        now = datetime.now(UTC)
        for model in status.loaded_models:
            table.add_row(*loaded_row(model, now))
        console().print(table)
        for model in status.loaded_models:
            if model.serial_because is not None:
                console().print(serial_sentence(model))
    for waiting in status.waiting:
        console().print(waiting_sentence(waiting))


def serial_sentence(model: LoadedModel) -> str:
    """Why a model does not decode several requests together."""
    return f"{model.id} answers one request at a time: {model.serial_because}"


def waiting_sentence(model: WaitingModel) -> str:
    """Who waits for a model that is not there yet, and what for."""
    who = "somebody waits" if not model.queued else f"{model.queued} waiting"
    return f"{model.id} is not loaded yet, {who}: {model.waits_because or 'it is about to be'}"


def loaded_row(model: LoadedModel, now: datetime) -> tuple[str, ...]:
    """Model, state, process, memory, context, running of slots, waiting, how long it stays."""
    return (
        model.id,
        model.state,
        "-" if model.pid is None else str(model.pid),
        "-" if model.memory is None else format_bytes(model.memory.total_bytes),
        "-" if model.context is None else f"{model.context:,}",
        f"{model.active} of {model.slots}",
        str(model.queued),
        stays(model, now),
    )


def stays(model: LoadedModel, now: datetime) -> str:
    """How long the model stays, in words."""
    if model.pinned:
        return "never, pinned"
    if model.keep_alive_s is not None and model.keep_alive_s < 0:
        return "never"
    return time_left(model.expires_at, now)


def time_left(expires_at: str | None, now: datetime) -> str:
    """How long a keep-alive still lasts, in words."""
    if expires_at is None:
        return "-"
    left_s = (datetime.fromisoformat(expires_at) - now).total_seconds()
    return f"in {format_duration(left_s)}" if left_s > 0 else "now"
