"""The settings of this server as they are now: their one owner."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import structlog

from mlx_gui.config import Config, SettingsError, SettingSources
from mlx_gui.core.errors import Conflict, InvalidRequest
from mlx_gui.core.setting_changes import checked
from mlx_gui.core.setting_row import Setting, Value
from mlx_gui.server_settings import ROWS, SERVER_SETTINGS
from mlx_gui.store.database import Store
from mlx_gui.store.server_settings import change_overrides

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

T = TypeVar("T")
Listener = Callable[[Config, Config], None]
"""Hears what held before a change, and what holds now."""


@dataclass(frozen=True, slots=True)
class NextStart:
    """What would hold after a restart with the same variables and flags.

    `problem` says why there would be none; `config` is then what holds now.
    """

    config: Config
    problem: str | None = None


class ServerSettings:
    """Holds the present Config. Whoever reads a setting asks each time, and keeps no copy.

    What was `kept` by the interface lies in the store first, then here. What cannot stand there is
    left out and named in `ignored`: it ends no start. A setting that says `restart` keeps the value
    that it had at the start. Nothing is changed while `changing` is held.
    """

    def __init__(self, sources: SettingSources, store: Store, kept: Mapping[str, object]) -> None:
        self.ignored: list[str] = []
        self._sources = sources
        self._store = store
        self._overrides: dict[str, object] = {}
        self._listeners: list[Listener] = []
        self.changing = asyncio.Lock()
        for name, value in kept.items():
            try:
                sources.config({name: value})
            except SettingsError as error:
                self._ignore(str(error))
            else:
                self._overrides[name] = value
        self._config = self._begun_with = sources.config(self._overrides)

    @property
    def config(self) -> Config:
        """What holds now."""
        return self._config

    def view(self, make: Callable[[Config], T]) -> Callable[[], T]:
        """What `make` finds in the settings of now: all that one part has to know of them."""
        return _View(self, make)

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each change, on the event loop: for those who do not ask."""
        self._listeners.append(listener)

    def begin_without(self, names: Collection[str], *, because: str) -> None:
        """Begin without what the interface says of `names`, which the store keeps."""
        rest = {name: each for name, each in self._overrides.items() if name not in names}
        self._ignore(because)
        self._config = self._begun_with = self._sources.config(rest)

    def changeable(self, row: Setting) -> bool:
        """Whether `change` can give `row` another value."""
        return row.in_data_dir and self._sources.fixed_by(row.name) is None

    def next_start(self) -> NextStart:
        """Reads the file anew, so it blocks."""
        try:
            return NextStart(self._sources.read_again().config(self._overrides))
        except SettingsError as error:
            return NextStart(self._config, str(error))

    async def change(
        self, changes: Mapping[str, object], *, check: Callable[[Config], Awaitable[None]]
    ) -> None:
        """Keep `changes`, all of them or none; None resets a setting.

        Raises InvalidRequest for what no setting can be, Conflict for what environment or command
        line have set, StoreError and DiskFull, and what `check` raises of what would hold: then
        everything is as it was. Whoever is cancelled meanwhile leaves no change that is kept and
        does not hold.
        """
        values = checked(ROWS, changes, of="the server")
        await asyncio.shield(self._change(values, check))

    async def _change(
        self, changes: Mapping[str, Value | None], check: Callable[[Config], Awaitable[None]]
    ) -> None:
        async with self.changing:
            for name, value in changes.items():
                self._refuse_fixed(ROWS[name], value)
            overrides = {
                name: value
                for name, value in {**self._overrides, **changes}.items()
                if value is not None
            }
            try:
                wanted = self._sources.config(overrides)
            except SettingsError as error:
                raise InvalidRequest(str(error), hint="Nothing was changed.") from None
            held = self._without_restart(wanted)
            await check(held)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            await self._store.write(
                lambda connection: change_overrides(connection, changes, now=now)
            )
            self._overrides = overrides
            before, self._config = self._config, held
            for listener in self._listeners:
                listener(before, self._config)

    def _refuse_fixed(self, row: Setting, value: Value | None) -> None:
        """Raises what keeps the interface from setting `row`; what it once kept may be reset."""
        if not row.in_data_dir:
            raise InvalidRequest(
                f"{row.name} cannot be changed here: it says where such changes are kept.",
                hint=f"Start the server with {row.flag} or {row.environment_name}.",
                param=f"settings.{row.name}",
            )
        if value is None and row.name in self._overrides:
            return
        source = self._sources.fixed_by(row.name)
        if source is None:
            return
        where = row.flag if source == "command line" else row.environment_name
        raise Conflict(
            f"{row.name} is set by {where} ({source}), which wins over what is set here.",
            hint=f"Start the server without {where} to change it here.",
            details={"param": f"settings.{row.name}", "source": source},
        )

    def _without_restart(self, wanted: Config) -> Config:
        """`wanted`, as far as that holds while the server runs."""
        begun = self._begun_with
        names = [row.name for row in SERVER_SETTINGS if row.restart]
        stays: dict[str, Any] = {name: getattr(begun, name) for name in names}
        sources = {**wanted.sources, **{name: begun.sources[name] for name in names}}
        return replace(wanted, **stays, sources=sources)

    def _ignore(self, reason: str) -> None:
        self.ignored.append(reason)
        log.warning("setting_ignored", reason=reason)


class _View(Generic[T]):
    """Makes its value anew when there is another Config, and no sooner."""

    def __init__(self, settings: ServerSettings, make: Callable[[Config], T]) -> None:
        self._settings = settings
        self._make = make
        self._config = settings.config
        self._made = make(self._config)

    def __call__(self) -> T:
        if self._config is not self._settings.config:
            self._config = self._settings.config
            self._made = self._make(self._config)
        return self._made
