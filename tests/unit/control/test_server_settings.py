"""The settings of the server while it runs: kept, found again, and never half changed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.config import Config, read_sources
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.core.errors import Conflict, DiskFull, InvalidRequest
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.server_settings import overrides


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def owner(store: Store, folder: Path, *, environment: dict[str, str] | None = None, **flags: Any):
    """Whoever a server that starts now would have."""
    sources = read_sources(flags={"data_dir": str(folder), **flags}, environment=environment or {})
    return ServerSettings(sources, store, asyncio.run(store.read(overrides)))


async def changed(settings: ServerSettings, changes: dict[str, object]) -> None:
    """A change that nothing else speaks against."""

    async def fine(_: Config) -> None: ...

    await settings.change(changes, check=fine)


def kept(store: Store) -> dict[str, object]:
    return asyncio.run(store.read(overrides))


def test_a_change_holds_at_once_and_for_the_next_server(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("max_queue = 7\nslots = 3\n")
    settings = owner(store, tmp_path)

    asyncio.run(changed(settings, {"max_queue": 9, "allowed_hosts": ["a.lan"]}))

    for each in (settings, owner(store, tmp_path)):
        assert (each.config.max_queue, each.config.slots) == (9, 3)
        assert each.config.allowed_hosts == ("a.lan",)
        assert each.config.sources["max_queue"] == "interface"
        assert each.config.sources["slots"] == "file"


def test_null_lets_the_file_decide_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("max_queue = 7\n")
    settings = owner(store, tmp_path)
    asyncio.run(changed(settings, {"max_queue": 9}))

    asyncio.run(changed(settings, {"max_queue": None, "slots": None}))

    assert (settings.config.max_queue, settings.config.sources["max_queue"]) == (7, "file")
    assert kept(store) == {}


def test_views_and_listeners_see_each_change(store: Store, tmp_path: Path) -> None:
    settings = owner(store, tmp_path)
    made: list[int] = []

    def queue(config: Config) -> int:
        made.append(config.max_queue)
        return config.max_queue

    heard: list[tuple[int, int]] = []
    settings.listen(lambda before, after: heard.append((before.max_queue, after.max_queue)))
    view = settings.view(queue)
    assert (view(), view()) == (256, 256)
    asyncio.run(changed(settings, {"max_queue": 9}))
    assert (view(), view()) == (9, 9)
    assert made == [256, 9]
    assert heard == [(256, 9)]


def test_what_needs_a_restart_waits_for_it(store: Store, tmp_path: Path) -> None:
    settings = owner(store, tmp_path)

    asyncio.run(changed(settings, {"port": 9000, "max_queue": 9}))

    assert (settings.config.port, settings.config.sources["port"]) == (8000, "default")
    later = settings.next_start().config
    assert (later.port, later.sources["port"], later.max_queue) == (9000, "interface", 9)
    assert owner(store, tmp_path).config.port == 9000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_queue": 0}, ["max_queue is 0", "from 1 to 100000"]),
        ({"max_queue": "9"}, ["'9'", "a whole number"]),
        ({"log_level": "loud"}, ["debug, info, warning, error"]),
        ({"max_queu": 9}, ["not a setting of the server"]),
        ({"allowed_origins": ["*"]}, ["every web page"]),
        ({"model_dirs": ["~nobody-of-this-name/x"]}, ["~nobody-of-this-name/x"]),
        ({"data_dir": "/a"}, ["data_dir cannot be changed here"]),
    ],
)
def test_nonsense_is_refused_with_help_and_nothing_changes(
    store: Store, tmp_path: Path, changes: dict[str, object], said: list[str]
) -> None:
    settings = owner(store, tmp_path)
    before = settings.config
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(changed(settings, {"slots": 5, **changes}))
    assert [part for part in said if part not in caught.value.message] == []
    assert caught.value.hint
    assert settings.config is before
    assert kept(store) == {}


def test_what_environment_or_command_line_set_is_refused(store: Store, tmp_path: Path) -> None:
    settings = owner(store, tmp_path, environment={"MLX_GUI_MAX_QUEUE": "4"}, slots="3")
    for name, where in (("max_queue", "MLX_GUI_MAX_QUEUE (environment)"), ("slots", "--slots")):
        for value in (9, None):
            with pytest.raises(Conflict) as caught:
                asyncio.run(changed(settings, {name: value, "truncate": True}))
            assert where in caught.value.message
    assert (settings.config.max_queue, settings.config.slots) == (4, 3)
    assert kept(store) == {}


def test_what_was_kept_below_a_flag_can_be_forgotten(store: Store, tmp_path: Path) -> None:
    asyncio.run(changed(owner(store, tmp_path), {"slots": 9}))
    settings = owner(store, tmp_path, slots="3")
    asyncio.run(changed(settings, {"slots": None}))
    assert settings.config.slots == 3
    assert kept(store) == {}


def test_changes_at_once_come_one_after_the_other(store: Store, tmp_path: Path) -> None:
    settings = owner(store, tmp_path)

    async def scenario() -> None:
        await asyncio.gather(
            *(changed(settings, {"max_queue": n, "slots": n}) for n in range(1, 30)),
            changed(settings, {"truncate": True}),
        )

    asyncio.run(scenario())
    assert settings.config.max_queue == settings.config.slots
    assert settings.config.truncate
    assert kept(store) == {
        "max_queue": settings.config.max_queue, "slots": settings.config.slots, "truncate": True,
    }  # fmt: skip


def test_whoever_is_cancelled_leaves_no_change_that_is_kept_and_does_not_hold(
    store: Store, tmp_path: Path
) -> None:
    settings = owner(store, tmp_path)

    async def scenario() -> None:
        heard = asyncio.Event()
        settings.listen(lambda *_: heard.set())
        change = asyncio.create_task(changed(settings, {"max_queue": 9}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        change.cancel()
        async with asyncio.timeout(20):
            await heard.wait()

    asyncio.run(scenario())
    assert settings.config.max_queue == 9
    assert kept(store) == {"max_queue": 9}


@pytest.mark.parametrize(
    ("pragma", "error"), [("max_page_count = 1", DiskFull), ("query_only = 1", StoreError)]
)
def test_what_cannot_be_kept_does_not_hold(
    store: Store, tmp_path: Path, pragma: str, error: type[Exception]
) -> None:
    settings = owner(store, tmp_path)
    asyncio.run(changed(settings, {"max_queue": 9}))
    asyncio.run(store.write(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}")))

    with pytest.raises(error):
        asyncio.run(changed(settings, {"max_queue": 10, "model_dirs": ["x" * 100_000]}))

    assert settings.config.max_queue == 9
    assert kept(store) == {"max_queue": 9}


def test_nonsense_that_was_kept_is_named_and_ends_no_start(store: Store, tmp_path: Path) -> None:
    rows = (
        "INSERT INTO settings VALUES ('slots', '0', 'now'), ('flavour', '1', 'now'), "
        "('max_queue', 'nine', 'now'), ('data_dir', '\"/a\"', 'now'), ('truncate', 'true', 'now'), "
        "('model_dirs', '[\"~nobody-of-this-name/x\"]', 'now')"
    )
    asyncio.run(store.write(lambda connection: connection.exec_driver_sql(rows)))

    settings = owner(store, tmp_path)

    assert (settings.config.slots, settings.config.max_queue) == (32, 256)
    assert settings.config.truncate
    named = ("slots", "flavour", "max_queue", "data_dir", "~nobody-of-this-name/x")
    assert len(settings.ignored) == len(named)
    assert [name for name in named if not any(name in each for each in settings.ignored)] == []
    asyncio.run(changed(settings, {"slots": 5}))
    assert owner(store, tmp_path).config.slots == 5


def test_a_file_that_was_changed_to_nonsense_is_named_and_the_old_value_holds(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("max_queue = 7\n")
    settings = owner(store, tmp_path)
    assert settings.next_start().problem is None

    file.write_text("max_queue = 8\n")
    assert settings.next_start().config.max_queue == 8

    file.write_text("max_queue = -1\n")
    problem = settings.next_start().problem
    assert problem is not None
    assert "max_queue" in problem
    assert "Requests that may wait for one model." in problem
    asyncio.run(changed(settings, {"slots": 5}))
    assert (settings.config.max_queue, settings.config.slots) == (7, 5)


def test_a_start_can_go_on_without_a_part_of_what_was_kept(store: Store, tmp_path: Path) -> None:
    asyncio.run(changed(owner(store, tmp_path), {"port": 9000, "slots": 5}))
    settings = owner(store, tmp_path)

    settings.begin_without(("host", "port"), because="port 9000 is taken.")

    assert (settings.config.port, settings.config.slots) == (8000, 5)
    assert settings.next_start().config.port == 9000
    assert settings.ignored == ["port 9000 is taken."]
    asyncio.run(changed(settings, {"slots": 6}))
    assert (settings.config.port, settings.config.slots) == (8000, 6)
    assert kept(store) == {"port": 9000, "slots": 6}


def test_what_others_speak_against_is_neither_kept_nor_held(store: Store, tmp_path: Path) -> None:
    settings = owner(store, tmp_path)
    judged: list[tuple[int, int]] = []

    async def against(after: Config) -> None:
        judged.append((after.max_queue, after.port))
        raise Conflict("Not now.")

    with pytest.raises(Conflict, match="Not now"):
        asyncio.run(settings.change({"max_queue": 9, "port": 9000}, check=against))
    assert judged == [(9, 8000)]
    assert settings.config.max_queue == 256
    assert kept(store) == {}
