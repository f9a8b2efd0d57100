"""Which model a name means."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from mlx_gui.catalog.adapters import Adapter, adapted
from mlx_gui.catalog.names import READINGS, Reading, as_written, meant
from mlx_gui.core.alias import pattern_for
from mlx_gui.core.errors import InvalidRequest, ModelNotFound
from mlx_gui.core.model import Model

LONGEST_NAME = 1024
"""Two ids of two folders each, and a tag: nothing is called longer."""
_MOST_PARTS = 32
"""The name of a folder may have a few `+` of its own."""


@dataclass(frozen=True, slots=True)
class Names:
    """The models and adapters of one moment, and when each adapter was first found."""

    models: tuple[Model, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    discovered: Mapping[str, str] = field(default_factory=dict[str, str])

    def resolve(self, name: str, aliases: Mapping[str, str]) -> Model | None:
        """The model with the id `name`, or that has it as an alias, or the only one whose id ends
        in `/name`; None where there is none.

        Where there is none, the same without `:latest`, and then in any case; what none of these
        finds, an alias that ends in `*` may. With `base+adapter` that of the base, with the adapter
        applied. Raises ModelNotFound where the base has no such adapter or the alias no such model,
        and InvalidRequest with all ids when there are several.
        """
        if len(name) > LONGEST_NAME:
            return None
        known = _Known(self, {model.id: model for model in self.models if model.adapter is None})
        missing: ModelNotFound | None = None
        for reading in READINGS:
            found = known.read(name, reading, aliases)
            if isinstance(found, Model):
                return found
            missing = missing or found
        if (pattern := pattern_for(name, aliases)) is not None:
            return known.target(pattern, aliases[pattern])
        if missing is not None:
            raise missing
        return None

    def not_found(self, name: str) -> ModelNotFound:
        """What is said of a name that means nothing."""
        written = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        return ModelNotFound(
            f"The model '{written}' is not installed.",
            hint=_advice(written, self.models),
            details={"model": written},
        )


def alias_in(name: str, aliases: Mapping[str, str]) -> str | None:
    """The alias that `name` is, or that it begins with."""
    for reading in READINGS:
        for alias in aliases:
            if reading(alias) in (reading(name), reading(name.partition("+")[0])):
                return alias
    return pattern_for(name, aliases)


@dataclass(frozen=True, slots=True)
class _Known:
    names: Names
    bases: Mapping[str, Model]

    def read(
        self, name: str, reading: Reading, aliases: Mapping[str, str]
    ) -> Model | ModelNotFound | None:
        """What `name` is in one reading, or what is said of an adapter that its base lacks."""
        if (found := self._base(name, reading, aliases)) is not None:
            return found
        adapters = {each.name: each for each in self.names.adapters}
        missing: ModelNotFound | None = None
        places = (place for place, letter in enumerate(name) if letter == "+")
        for place in islice(places, _MOST_PARTS):
            base = self._base(name[:place], reading, aliases)
            if base is None or base.adapter is not None:
                continue
            adapter = meant(name[place + 1 :], adapters, reading)
            if adapter is not None:
                discovered_at = self.names.discovered[adapter]
                return adapted(base, adapters[adapter], discovered_at=discovered_at)
            missing = missing or self._no_adapter(base, name[place + 1 :])
        return missing

    def target(self, alias: str, model_id: str) -> Model:
        """The model that an alias stands for. Raises ModelNotFound."""
        found = self.read(model_id, as_written, {})
        if isinstance(found, Model):
            return found
        raise ModelNotFound(
            f"The alias '{alias}' stands for '{model_id}', which is not installed.",
            hint="Install that model, or have the alias stand for another one: "
            f"`PUT /v1/aliases/{alias}`.",
            details={"model": model_id, "alias": alias},
        )

    def _base(self, name: str, reading: Reading, aliases: Mapping[str, str]) -> Model | None:
        """An alias was chosen by somebody, so it goes before what a name might be short for."""
        wanted = reading(name)
        if not any(reading(each) == wanted for each in self.bases):
            called = [alias for alias in aliases if reading(alias) == wanted]
            if len({aliases[alias] for alias in called}) > 1:
                raise InvalidRequest(
                    f"'{name}' may mean the alias {' or '.join(sorted(called))}.",
                    hint="Write it as the alias is written.",
                    param="model",
                )
            if called:
                return self.target(called[0], aliases[called[0]])
        found = meant(name, self.bases, reading)
        return None if found is None else self.bases[found]

    def _no_adapter(self, base: Model, name: str) -> ModelNotFound:
        known = ", ".join(adapter.name for adapter in self.names.adapters)
        return ModelNotFound(
            f"The adapter '{name}' for {base.id} is not installed.",
            hint=f"Installed are {known}."
            if known
            else "No adapters are installed. Put an adapter's folder into one of `model_dirs` and "
            "rescan.",
            details={"model": f"{base.id}+{name}"},
        )


def _advice(name: str, models: tuple[Model, ...]) -> str:
    """The installed models whose id has `name` in it, else those that are written like it."""
    ids = {
        written.casefold(): model.id
        for model in models
        for written in (model.id, model.id.rpartition("/")[2])
    }
    part = name.casefold()
    near = [written for written in ids if part in written] or difflib.get_close_matches(part, ids)
    if near:
        return f"Did you mean {' or '.join(list(dict.fromkeys(ids[each] for each in near))[:3])}?"
    if models:
        return "`GET /v1/models` and `mlx-gui list` show what is installed."
    return (
        "No models are installed. `mlx-gui pull` brings one from the hub; or put a model's folder "
        "into one of `model_dirs` and rescan."
    )
