"""The aliases: their one owner."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mlx_gui.core.alias import Alias, checked_alias
from mlx_gui.core.errors import Conflict, NotFound, QueueFull
from mlx_gui.store.aliases import all_aliases, forget_alias, keep_alias
from mlx_gui.store.database import Store

MOST_ALIASES = 1000


class Aliases:
    """What people call models, in memory and, first, in the store.

    `on_change` is told the id of each model that has another name now, or one less.
    """

    def __init__(self, store: Store, *, on_change: Callable[[str], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._aliases: dict[str, Alias] = {}
        self._names: dict[str, list[str]] = {}

    async def recall(self) -> None:
        """Read what an earlier server was told. Raises StoreError."""
        found = await self._store.read(all_aliases)
        self._take({alias.name: alias for alias in found})

    def all(self) -> tuple[Alias, ...]:
        """Every alias, sorted by name."""
        return tuple(self._aliases[name] for name in sorted(self._aliases))

    def targets(self) -> Mapping[str, str]:
        """The ids of models, by alias."""
        return {alias.name: alias.model_id for alias in self._aliases.values()}

    def of(self, model_id: str) -> list[str]:
        """What else that model is called, sorted."""
        return list(self._names.get(model_id, ()))

    def get(self, name: str) -> Alias:
        """Raises NotFound."""
        if name not in self._aliases:
            raise NotFound(
                f"There is no alias '{name}'.",
                hint="`GET /v1/aliases` and `mlx-gui alias` show those that there are.",
            )
        return self._aliases[name]

    async def put(self, name: str, model_id: str) -> Alias:
        """The alias, in the place of an earlier one of that name.

        Raises InvalidRequest for what is no name, Conflict for the model's own, QueueFull, and
        StoreError.
        """
        self._check(name, model_id)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        alias, before = Alias(name, model_id, now), self._aliases.get(name)
        await self._store.write(lambda connection: keep_alias(connection, alias))
        self._take({**self._aliases, name: alias})
        self._on_change(model_id)
        if before is not None and before.model_id != model_id:
            self._on_change(before.model_id)
        return alias

    def refuse_other(self, name: str, model_id: str) -> None:
        """Raises what `put` raises, and Conflict where the alias is that of another model."""
        self._check(name, model_id)
        known = self._aliases.get(name)
        if known is not None and known.model_id != model_id:
            raise Conflict(
                f"'{name}' is an alias of {known.model_id}.",
                hint=f"Choose another name, or remove the alias: `mlx-gui alias {name} --remove`.",
            )

    def _check(self, name: str, model_id: str) -> None:
        checked_alias(name)
        if name == model_id:
            raise Conflict(f"'{name}' is the id of the model itself.", hint="Choose another name.")
        if name not in self._aliases and len(self._aliases) >= MOST_ALIASES:
            raise QueueFull(
                f"There are {MOST_ALIASES} aliases, more are not kept.", hint="Remove some."
            )

    async def remove(self, name: str) -> Alias:
        """What it was. Raises NotFound and StoreError."""
        alias = self.get(name)
        await self._store.write(lambda connection: forget_alias(connection, name))
        self._take({each: kept for each, kept in self._aliases.items() if each != name})
        self._on_change(alias.model_id)
        return alias

    def _take(self, aliases: dict[str, Alias]) -> None:
        self._aliases, self._names = aliases, {}
        for name in sorted(aliases):
            self._names.setdefault(aliases[name].model_id, []).append(name)
