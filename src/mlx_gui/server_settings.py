"""The settings: one table of rows, and the frozen Config that comes out of it.

A value's source is the last of default < file < interface < environment < command line that names
it. Environment names, flags, `config.toml` keys, the settings page and the reference all come from
the rows.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import platformdirs

from mlx_gui.core.network import listed_network
from mlx_gui.core.origin import listed_origin
from mlx_gui.core.setting_row import (
    ContextTokens,
    Setting,
    Source,
    Unfit,
    Value,
    advice,
    fitted,
    from_text,
    refused,
)
from mlx_gui.core.variables import misspelled, settings_among

MODELS_FOLDER = "models"
CONFIG_FILE = "config.toml"


class SettingsError(ValueError):
    """A key nobody knows or a value out of bounds; the message says what to write instead."""


SERVER_SETTINGS: tuple[Setting, ...] = (
    Setting("host", "text", "127.0.0.1", "Address to listen on.", restart=True),
    Setting(
        "port",
        "integer",
        8000,
        "Port to listen on; 0 takes a free one.",
        bounds=(0, 65535),
        restart=True,
    ),
    Setting(
        "data_dir",
        "text",
        None,
        "Folder of the database, models and caches.",
        in_data_dir=False,
        restart=True,
    ),
    Setting(
        "model_dirs",
        "list",
        None,
        "Folders searched for models; the default is `models/` in the data directory and the "
        "Hugging Face cache.",
        separator=os.pathsep,
    ),
    Setting("max_loaded_models", "integer", 3, "Models kept in memory at once.", bounds=(1, 64)),
    Setting(
        "memory_limit_bytes",
        "integer",
        0,
        "Memory that models may use; 0 decides by the device.",
        bounds=(0, 2**50),
    ),
    Setting(
        "memory_reserve_bytes",
        "integer",
        0,
        "Memory that models leave to the system and other programs; 0 takes 2 GB, or a quarter of "
        "a memory under 8 GB.",
        bounds=(0, 2**50),
    ),
    Setting(
        "keep_alive_s",
        "integer",
        900,
        "Time a model stays loaded after its last request; 0 unloads at once, -1 never.",
        bounds=(-1, 10 * 365 * 86_400),
    ),
    Setting(
        "time_slice_s",
        "number",
        20.0,
        "Time a model that others wait for may go on before they take turns, where they do not fit "
        "into memory together.",
        bounds=(1, 3600),
    ),
    Setting("preload", "list", (), "Models that are loaded when the server starts.", restart=True),
    Setting(
        "slots", "integer", 32, "Sequences a model decodes together.", bounds=(1, 256), reload=True
    ),
    Setting(
        "max_context_tokens",
        "integer",
        "auto",
        "Longest context that models are loaded with, prompt and answer together; `auto` takes "
        "for each model what it was made for, up to 65,536, within an eighth of the budget.",
        bounds=(16, 10_000_000),
        words=("auto",),
        reload=True,
    ),
    Setting(
        "prefix_cache_bytes",
        "integer",
        512 * 1024 * 1024,
        "Memory in which a model keeps the prompts of earlier requests, to read them only once; "
        "0 keeps none. A model reserves at most twice what its context takes.",
        bounds=(0, 2**50),
        reload=True,
    ),
    Setting(
        "kv_bits",
        "integer",
        0,
        "Bits of a value in the KV cache; 0 leaves it as the model computes. With 4 or 8 a model "
        "answers one request at a time.",
        bounds=(0, 8),
        choices=("0", "4", "8"),
        reload=True,
    ),
    Setting(
        "tool_prompt",
        "text",
        "generic",
        "What becomes of tools where a model's template knows none: `generic` describes them in "
        "the prompt, `refuse` answers with an error.",
        choices=("generic", "refuse"),
        reload=True,
    ),
    Setting(
        "truncate",
        "switch",
        False,
        "Drop the oldest turns of a conversation that is longer than the context.",
        reload=True,
    ),
    Setting(
        "max_queue", "integer", 256, "Requests that may wait for one model.", bounds=(1, 100_000)
    ),
    Setting("queue_timeout_s", "number", 300.0, "Longest wait in the queue.", bounds=(0.1, 86_400)),
    Setting(
        "load_timeout_s",
        "number",
        600.0,
        "Longest time a load may take.",
        bounds=(0.1, 86_400),
        reload=True,
    ),
    Setting(
        "health_timeout_s",
        "number",
        5.0,
        "Time a worker may take to answer a ping.",
        bounds=(0.1, 600),
    ),
    Setting(
        "hang_timeout_s",
        "number",
        60.0,
        "Time after which a worker that does not answer is ended and replaced; longer than the "
        "longest step of a slow machine.",
        bounds=(1, 3600),
        reload=True,
    ),
    Setting(
        "worker_memory_limit_bytes",
        "integer",
        0,
        "What one worker may allocate, held by the system and whatever was planned; 0 is no limit. "
        "On Linux only.",
        bounds=(0, 2**50),
        reload=True,
    ),
    Setting(
        "recycle_requests",
        "integer",
        0,
        "Answered requests after which an idle worker is replaced by a fresh one; 0 is never.",
        bounds=(0, 10**9),
    ),
    Setting(
        "warm_spare",
        "switch",
        True,
        "Keep a worker without a model ready while memory is plentiful, so that the next load need "
        "not wait for libraries.",
    ),
    Setting(
        "client_stall_s",
        "number",
        30.0,
        "A client that takes nothing of its answer, or sends nothing more of its request, for this "
        "long is cut off.",
        bounds=(0.1, 3600),
    ),
    Setting(
        "stream_commit_s",
        "number",
        5.0,
        "Time after which a stream's status line is sent although its request still waits.",
        bounds=(0, 600),
    ),
    Setting(
        "shutdown_grace_s",
        "number",
        30.0,
        "Time that running answers get when the server stops.",
        bounds=(0, 3600),
    ),
    Setting(
        "max_body_bytes",
        "integer",
        16 * 1024 * 1024,
        "Largest request body that is not a form with files.",
        bounds=(1024, 2**40),
    ),
    Setting(
        "max_upload_bytes",
        "integer",
        1024 * 1024 * 1024,
        "Largest form with files. They lie on the disk until their request has ended.",
        bounds=(1024, 2**40),
    ),
    Setting(
        "allowed_hosts",
        "list",
        (),
        "Host names besides loopback that requests may address; guards against DNS rebinding.",
    ),
    Setting(
        "allowed_origins",
        "list",
        (),
        "Origins of web pages and browser extensions that may use this server as its own interface "
        "does. Windows of native programs and pages of this machine may infer and read without "
        "being listed.",
        plain=listed_origin,
    ),
    Setting(
        "trusted_proxies",
        "list",
        (),
        "Addresses and networks of proxies whose headers say for whom they ask. From others, a "
        "request with such headers counts as one from elsewhere.",
        plain=listed_network,
    ),
    Setting(
        "log_level",
        "text",
        "info",
        "Least level that is logged.",
        choices=("debug", "info", "warning", "error"),
    ),
    Setting(
        "responses_retention_days",
        "integer",
        30,
        "Time that stored responses are kept after the last turn of their conversation; 0 stores "
        "none.",
        bounds=(0, 36_500),
    ),
    Setting(
        "samples_retention_days",
        "integer",
        7,
        "Time that samples of memory and work are kept for charts; 0 keeps none.",
        bounds=(0, 3650),
    ),
    Setting(
        "requests_retention_days",
        "integer",
        30,
        "Time that records of requests are kept, without prompts and answers; 0 keeps none.",
        bounds=(0, 3650),
    ),
    Setting(
        "requests_kept",
        "integer",
        100_000,
        "Records of requests that are kept, and 128 MB of them at most; 0 keeps none.",
        bounds=(0, 10_000_000),
    ),
    Setting("offline", "switch", False, "Never reach out to the network."),
    Setting(
        "blas",
        "text",
        "auto",
        "CPU matrix library of workers: `auto`, `off`, or the path of a CBLAS library.",
        restart=True,
    ),
    Setting(
        "engine",
        "text",
        "mlx",
        "`mlx`, or `fake`: scripted answers without any model, for tests and interface work.",
        choices=("mlx", "fake"),
        restart=True,
    ),
)
ROWS = {row.name: row for row in SERVER_SETTINGS}
_VARIABLES = tuple(row.environment_name for row in SERVER_SETTINGS)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, resolved. `sources` tells for each name where its value came from."""

    host: str
    port: int
    data_dir: Path
    model_dirs: tuple[Path, ...]
    max_loaded_models: int
    memory_limit_bytes: int
    memory_reserve_bytes: int
    keep_alive_s: int
    time_slice_s: float
    preload: tuple[str, ...]
    slots: int
    max_context_tokens: ContextTokens
    prefix_cache_bytes: int
    kv_bits: Literal[0, 4, 8]
    tool_prompt: Literal["generic", "refuse"]
    truncate: bool
    max_queue: int
    queue_timeout_s: float
    load_timeout_s: float
    health_timeout_s: float
    hang_timeout_s: float
    worker_memory_limit_bytes: int
    recycle_requests: int
    warm_spare: bool
    client_stall_s: float
    stream_commit_s: float
    shutdown_grace_s: float
    max_body_bytes: int
    max_upload_bytes: int
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    log_level: str
    responses_retention_days: int
    samples_retention_days: int
    requests_retention_days: int
    requests_kept: int
    offline: bool
    blas: str
    engine: str
    sources: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class SettingSources:
    """What was said of settings in each place but the interface, all of it checked."""

    data_dir: Path
    file: Mapping[str, Value]
    environment: Mapping[str, Value]
    flags: Mapping[str, Value]
    variables: Mapping[str, str]

    def fixed_by(self, name: str) -> Source | None:
        """What wins over the interface in the setting `name`; None where nothing does."""
        if name in self.flags:
            return "command line"
        return "environment" if name in self.environment else None

    def read_again(self) -> "SettingSources":
        """The same with the file as it is now. Raises SettingsError."""
        return replace(self, file=_from_file(self.data_dir))

    def config(self, overrides: Mapping[str, object]) -> Config:
        """Every setting with its source, where `overrides` are the interface's.

        Raises SettingsError for the first that cannot stand.
        """
        defaults = {r.name: r.default for r in SERVER_SETTINGS if r.default is not None}
        layers: tuple[tuple[Source, Mapping[str, Value]], ...] = (
            ("default", defaults),
            ("file", self.file),
            ("interface", _checked(overrides, source="interface", place="in the interface")),
            ("environment", self.environment),
            ("command line", self.flags),
        )
        values: dict[str, Any] = {}
        sources: dict[str, Source] = {row.name: "default" for row in SERVER_SETTINGS}
        for source, found in layers:
            values.update(found)
            sources.update(dict.fromkeys(found, source))
        values["data_dir"] = self.data_dir
        if "model_dirs" in values:
            values["model_dirs"] = tuple(map(_folder, values["model_dirs"]))
        else:
            values["model_dirs"] = (self.data_dir / MODELS_FOLDER, _hub_cache(self.variables))
        return Config(**values, sources=sources)


def read_sources(
    *, flags: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> SettingSources:
    """What command line, environment and file say. Raises SettingsError for what cannot stand.

    `flags` are by setting name, as text or typed, None where a flag was not given; `environment`
    is the process's own when None.
    """
    variables = os.environ if environment is None else environment
    ours = settings_among(variables, _VARIABLES)
    given = {name: raw for name, raw in flags.items() if raw is not None}
    from_environment = _checked(ours, source="environment", place="in the environment")
    from_flags = _checked(given, source="command line", place="on the command line")

    chosen = from_flags.get("data_dir", from_environment.get("data_dir"))
    data_dir = platformdirs.user_data_path("mlx-gui") if chosen is None else _folder(str(chosen))
    sources = SettingSources(
        data_dir, _from_file(data_dir), from_environment, from_flags, dict(variables)
    )
    sources.config({})
    return sources


def resolve(
    *,
    flags: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """What `read_sources` finds, with the `overrides` of the interface, as a Config."""
    return read_sources(flags=flags, environment=environment).config(overrides or {})


def misspelled_variables() -> list[str]:
    """A sentence about each variable of this process that looks like a setting and is none.

    They keep no server from starting: who runs it may not have set them.
    """
    return misspelled(os.environ, _VARIABLES)


def _from_file(data_dir: Path) -> dict[str, Value]:
    path = data_dir / CONFIG_FILE
    return _checked(_file(path), source="file", place=f"in {path}")


def _file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(f"The folder {text!r} cannot be found: {error}") from error


def _hub_cache(variables: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps models, by its own rules."""
    if cache := variables.get("HF_HUB_CACHE"):
        return _folder(cache)
    if home := variables.get("HF_HOME"):
        return _folder(home) / "hub"
    return _folder(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _checked(found: Mapping[str, object], *, source: Source, place: str) -> dict[str, Value]:
    """The values of `found` by setting name; `place` says in messages where they stand."""
    in_environment = source == "environment"
    textual = in_environment or source == "command line"
    rows = {row.environment_name if in_environment else row.name: row for row in SERVER_SETTINGS}
    values: dict[str, Value] = {}
    for key, raw in found.items():
        row = rows.get(key)
        if row is None:
            raise SettingsError(f"{key} {place} is not a setting. {advice(key, rows)}")
        if not (row.in_data_dir or textual):
            raise SettingsError(
                f"{key} cannot be set {place}, which lies in the data directory itself; "
                f"set {row.environment_name} in the environment."
            )
        try:
            values[row.name] = fitted(row, from_text(row, raw) if textual else raw)
        except Unfit as unfit:
            raise SettingsError(
                f"{key} {place} is {refused(row, raw)}, but must be {unfit}. {row.help}"
            ) from None
    return values
