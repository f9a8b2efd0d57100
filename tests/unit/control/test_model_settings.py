"""Settings of models are kept, merged and found again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mlx_gui.config import Config, resolve
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.store.database import Store
from tests.unit.control.fakes import model

ONE = model("org/one")
ADAPTED = msgspec.structs.replace(model("org/one+tune"), base="org/one", adapter="/tune")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return resolve(flags={"data_dir": str(tmp_path)}, environment={})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def test_what_was_set_is_found_by_the_next_server(store: Store, config: Config) -> None:
    async def scenario() -> None:
        owner = ModelSettingsOwner(store, lambda: config)
        await owner.change(ONE, {"temperature": 0.5, "slots": 2})
        await owner.change(ONE, {"slots": None})
        again = ModelSettingsOwner(store, lambda: config)
        assert again.of(ONE).temperature is None
        await again.recall()
        for each in (owner, again):
            assert each.of(ONE).temperature == 0.5
            assert each.of(ONE).sources["slots"] == "server"

    asyncio.run(scenario())


def test_settings_of_the_base_hold_with_an_adapter_unless_it_has_its_own(
    store: Store, config: Config
) -> None:
    async def scenario() -> None:
        owner = ModelSettingsOwner(store, lambda: config)
        await owner.change(ONE, {"temperature": 0.5, "slots": 2})
        await owner.change(ADAPTED, {"slots": 3})
        assert (owner.of(ADAPTED).temperature, owner.of(ADAPTED).slots) == (0.5, 3)
        assert owner.of(ONE).slots == 2
        await owner.change(ADAPTED, {"slots": None})
        assert owner.of(ADAPTED).slots == 2

    asyncio.run(scenario())


def test_changes_can_be_looked_at_before_they_are_made(store: Store, config: Config) -> None:
    owner = ModelSettingsOwner(store, lambda: config)
    assert owner.after({"slots": 5}, model=ONE).slots == 5
    assert owner.of(ONE).slots == 32


def test_what_another_version_stored_is_left_out(store: Store, config: Config) -> None:
    rows = (
        "INSERT INTO model_settings VALUES ('org/one', 'flavour', '\"sweet\"', 'now'), "
        "('org/one', 'slots', '-5', 'now'), ('org/one', 'temperature', '1', 'now')"
    )

    async def scenario() -> None:
        await store.write(lambda connection: connection.exec_driver_sql(rows))
        owner = ModelSettingsOwner(store, lambda: config)
        await owner.recall()
        assert (owner.of(ONE).slots, owner.of(ONE).temperature) == (32, 1.0)

    asyncio.run(scenario())


def test_an_adapter_is_not_pinned_or_preloaded_with_its_base(store: Store, config: Config) -> None:
    async def scenario() -> None:
        owner = ModelSettingsOwner(store, lambda: config)
        await owner.change(ONE, {"pinned": True, "preload": True, "priority": 3})
        adapted = owner.of(ADAPTED)
        assert (adapted.pinned, adapted.preload, adapted.priority) == (False, False, 3)
        await owner.change(ADAPTED, {"pinned": True})
        assert owner.of(ADAPTED).pinned

    asyncio.run(scenario())
