"""The settings: what the table of rows says, and the frozen Config that comes out of it.

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

from mlx_gui.core.setting_row import (
    ContextTokens,
    Source,
    Unfit,
    Value,
    advice,
    fitted,
    from_text,
    refused,
)
from mlx_gui.core.variables import misspelled, settings_among
from mlx_gui.server_settings import SERVER_SETTINGS

MODELS_FOLDER = "models"
CONFIG_FILE = "config.toml"
DEFAULT_ENDPOINT = "https://huggingface.co"


class SettingsError(ValueError):
    """A key nobody knows or a value out of bounds; the message says what to write instead."""


_VARIABLES = tuple(row.environment_name for row in SERVER_SETTINGS)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, resolved. `sources` tells for each name where its value came from."""

    host: str
    port: int
    data_dir: Path
    model_dirs: tuple[Path, ...]
    watch_s: float
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
    max_audio_bytes: int
    max_audio_s: float
    max_speech_characters: int
    max_pictures: int
    max_picture_bytes: int
    max_picture_pixels: int
    chat_audio_model: str
    media_urls: Literal["off", "https", "http"]
    media_timeout_s: float
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    log_level: str
    log_file: bool
    responses_retention_days: int
    samples_retention_days: int
    requests_retention_days: int
    requests_kept: int
    otlp_endpoint: str
    downloads_at_once: int
    download_connections: int
    download_limit_bytes: int
    download_stall_s: float
    xet: Literal["auto", "on", "off"]
    disk_reserve_bytes: int
    trash_retention_days: int
    offline: bool
    check_updates: bool
    hub_endpoint: str
    hub_token: str | None
    notify_downloads: bool
    notify_failures: bool
    notify_memory: bool
    notify_evictions: bool
    blas: str
    engine: str
    sources: Mapping[str, Source]

    def searched_dirs(self) -> tuple[Path, ...]:
        """The folders whose models are shown; the fake engine shows those of nobody unasked."""
        unasked = self.engine == "fake" and self.sources["model_dirs"] == "default"
        return () if unasked else self.model_dirs


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
            values["model_dirs"] = (self.data_dir / MODELS_FOLDER, hub_cache(self.variables))
        values.setdefault("hub_endpoint", self.variables.get("HF_ENDPOINT") or DEFAULT_ENDPOINT)
        values.setdefault("hub_token", None)
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


def hub_cache(variables: Mapping[str, str]) -> Path:
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
