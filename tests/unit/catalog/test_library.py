"""The list of installed models over scans."""

import asyncio
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from mlx_gui.catalog.library import Library
from mlx_gui.core.errors import InvalidRequest, ModelNotFound
from mlx_gui.core.licence import Licence
from mlx_gui.core.model import Model
from mlx_gui.store.database import Store
from tests.unit.kinds.folders import LLAMA, write_adapter, write_model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def library(
    store: Store, *model_dirs: Path, supported=None, changes=None, builtin=(), aliases=None
) -> Library:
    return Library(
        store=store,
        model_dirs=lambda: model_dirs,
        supported=lambda: supported or {},
        on_change=lambda: None if changes is None else changes.append(None),
        builtin=builtin,
        aliases=lambda: aliases or {},
    )


def scanned(store: Store, models_dir: Path, **options) -> Library:
    made = library(store, models_dir, **options)
    asyncio.run(made.rescan())
    return made


def test_a_scan_lists_what_is_there_and_says_so(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    changes: list[None] = []
    made = library(store, models_dir, changes=changes)
    assert made.models() == ()
    found = asyncio.run(made.rescan())
    assert [model.id for model in found] == ["org/one"]
    assert made.models() == found
    assert found[0].path == str(models_dir / "org" / "one")
    assert found[0].problem is None
    assert len(changes) == 1


def test_a_model_that_went_and_came_back_keeps_its_date(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")
    made = scanned(store, models_dir)
    (before,) = made.models()
    shutil.move(models_dir / "one", models_dir.parent / "away")
    assert asyncio.run(made.rescan()) == ()
    shutil.move(models_dir.parent / "away", models_dir / "one")
    asyncio.run(
        store.write(lambda c: c.exec_driver_sql("UPDATE models SET discovered_at = 'then'"))
    )
    (after,) = asyncio.run(made.rescan())
    assert (before.id, after.discovered_at) == (after.id, "then")


def test_several_scans_at_once_all_answer(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")

    async def scan_thrice() -> list[tuple[Model, ...]]:
        made = library(store, models_dir)
        return await asyncio.gather(*(made.rescan() for _ in range(3)))

    first, *rest = asyncio.run(scan_thrice())
    assert len(first) == 1
    assert rest == [first, first]


def test_an_architecture_that_mlx_lm_lacks_is_named(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "known")
    write_model(models_dir / "unknown", config={**LLAMA, "model_type": "foo"})
    made = scanned(store, models_dir, supported={"text": ("llama", "qwen3")})
    assert made.resolve("known").problem is None
    unknown = made.resolve("unknown")
    assert unknown.facts is not None
    assert unknown.problem == (
        f"The architecture 'foo' is not supported by mlx-lm {version('mlx-lm')}."
    )


def test_every_architecture_passes_until_the_device_is_known(
    store: Store, models_dir: Path
) -> None:
    write_model(models_dir / "unknown", config={**LLAMA, "model_type": "foo"})
    assert scanned(store, models_dir).resolve("unknown").problem is None


def test_a_broken_model_is_listed_with_its_reason(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "broken")
    (models_dir / "org" / "broken" / "config.json").write_text("{", encoding="utf-8")
    model = scanned(store, models_dir).resolve("broken")
    assert model.facts is None
    assert "config.json is not valid JSON" in (model.problem or "")


def test_models_go_by_their_id_or_a_short_name_of_their_own(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    write_model(models_dir / "org" / "two")
    write_model(models_dir / "else" / "two")
    write_model(models_dir / "three")
    write_model(models_dir / "org" / "three")
    made = scanned(store, models_dir)
    assert made.resolve("org/one").id == "org/one"
    assert made.resolve("one").id == "org/one"
    assert made.resolve("three").id == "three"
    with pytest.raises(InvalidRequest) as caught:
        made.resolve("two")
    assert caught.value.message == "'two' may mean else/two or org/two."
    assert caught.value.details == {"param": "model"}


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("Org/One", "Org/One"),
        ("One", "Org/One"),
        ("one", "else/one"),
        ("org/one", "Org/One"),
        ("ELSE/ONE", "else/one"),
        ("One:latest", "Org/One"),
        ("one:latest", "else/one"),
        ("org/one:LATEST", "Org/One"),
        ("two", "Org/Two:latest"),
        ("org/two:latest", "Org/Two:latest"),
        ("STRASSE", "straße"),
    ],
)
def test_a_name_is_looked_for_as_written_then_without_its_tag_then_in_any_case(
    store: Store, models_dir: Path, name: str, id: str
) -> None:
    for each in ("Org/One", "else/one", "Org/Two:latest", "straße"):
        write_model(models_dir / each)
    assert scanned(store, models_dir).resolve(name).id == id


@pytest.mark.parametrize("name", ["ONE", "oNe:latest"])
def test_a_name_that_several_have_in_another_case_is_refused_with_all_of_them(
    store: Store, models_dir: Path, name: str
) -> None:
    for each in ("Org/One", "else/one"):
        write_model(models_dir / each)
    with pytest.raises(InvalidRequest) as caught:
        scanned(store, models_dir).resolve(name)
    assert caught.value.message == f"'{name}' may mean Org/One or else/one."


def test_another_tag_is_part_of_the_name(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    with pytest.raises(ModelNotFound):
        scanned(store, models_dir).resolve("org/one:7b")


@pytest.mark.parametrize("name", ["+" * 1_000_000, "one" * 1_000_000, "a+" * 500])
def test_a_name_of_any_length_is_soon_not_found(store: Store, models_dir: Path, name: str) -> None:
    write_model(models_dir / "org" / "one")
    with pytest.raises(ModelNotFound) as caught:
        scanned(store, models_dir).resolve(name)
    assert len(caught.value.message) < 1100


@pytest.mark.parametrize(
    "name", ["org/smol2-instruct", "SMOL2", "smol2-instruc", "Smoll2-Instruct"]
)
def test_an_unknown_name_gets_the_nearest_ones(store: Store, models_dir: Path, name: str) -> None:
    write_model(models_dir / "HuggingFaceTB" / "Smol2-Instruct")
    write_model(models_dir / "org" / "quite-another")
    with pytest.raises(ModelNotFound) as caught:
        scanned(store, models_dir).resolve(name)
    assert name in caught.value.message
    assert caught.value.hint == "Did you mean HuggingFaceTB/Smol2-Instruct?"


def test_a_name_like_no_other_gets_the_way_to_the_list(store: Store, models_dir: Path) -> None:
    with pytest.raises(ModelNotFound, match="not installed") as empty:
        scanned(store, models_dir).resolve("zzz")
    assert "No models are installed" in empty.value.hint
    write_model(models_dir / "one")
    with pytest.raises(ModelNotFound) as caught:
        scanned(store, models_dir).resolve("zzz")
    assert "mlx-gui list" in caught.value.hint


def test_builtin_models_stand_beside_the_found_ones(store: Store, models_dir: Path) -> None:
    builtin = Model("a/builtin", "", None, None, 0, "2026-01-01T00:00:00+00:00")
    write_model(models_dir / "Z")
    made = library(store, models_dir, builtin=(builtin,))
    assert made.models() == (builtin,)
    assert [model.id for model in asyncio.run(made.rescan())] == ["Z", "a/builtin"]


def test_who_asks_before_the_first_scan_has_ended_waits_for_it(
    store: Store, models_dir: Path
) -> None:
    write_model(models_dir / "one")

    async def ask_early() -> None:
        made = library(store, models_dir)
        asked = asyncio.create_task(made.find("one"))
        listed = asyncio.create_task(made.listed())
        await asyncio.sleep(0)
        assert not asked.done()
        await made.rescan()
        assert (await asked).id == "one"
        assert len(await listed) == 1

    asyncio.run(ask_early())


def test_one_model_is_added_and_removed_without_a_search(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    changes: list[None] = []
    made = scanned(store, models_dir, changes=changes)
    write_model(models_dir / "unseen")
    new = write_model(models_dir / "org" / "two")
    asyncio.run(made.look_again(new))
    assert [model.id for model in made.models()] == ["org/one", "org/two"]
    shutil.rmtree(new)
    asyncio.run(made.look_again(new))
    assert [model.id for model in made.models()] == ["org/one"]
    assert len(changes) == 3


def test_a_list_that_could_not_be_kept_stays_as_it_is(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")
    made = scanned(store, models_dir)
    before = made.models()
    asyncio.run(store.write(lambda c: c.exec_driver_sql("DROP TABLE models")))
    write_model(models_dir / "two")
    with pytest.raises(OperationalError):
        asyncio.run(made.rescan())
    assert made.models() == before
    assert made.resolve("one").id == "one"


def test_a_model_on_an_absent_disk_stays_listed_as_away(store: Store, models_dir: Path) -> None:
    folder = write_model(models_dir / "org" / "one")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    (before,) = scanned(store, models_dir).models()
    assert before.licence == Licence("mit")
    models_dir.rename(models_dir.with_name("unplugged"))
    # Another server on the same data, which has never seen it.
    made = scanned(store, models_dir)
    (away,) = made.models()
    assert away.away
    assert away.problem == f"Its disk is away: {models_dir} is not there."
    assert (away.id, away.facts, away.disk_bytes) == (before.id, before.facts, before.disk_bytes)
    assert away.licence == before.licence
    assert made.resolve("one") == away
    models_dir.with_name("unplugged").rename(models_dir)
    assert asyncio.run(made.rescan()) == (before,)


def test_a_model_behind_a_link_to_an_absent_disk_is_away(store: Store, tmp_path: Path) -> None:
    write_model(tmp_path / "disk" / "one")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "org").symlink_to(tmp_path / "disk")
    made = scanned(store, tmp_path / "models")
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    (away,) = asyncio.run(made.rescan())
    assert (away.id, away.away) == ("org/one", True)


def test_a_model_whose_folder_was_deleted_is_gone(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    made = scanned(store, models_dir)
    shutil.rmtree(models_dir / "org")
    assert asyncio.run(made.rescan()) == ()


def test_a_model_of_a_folder_that_is_searched_no_more_is_not_away(
    store: Store, models_dir: Path
) -> None:
    write_model(models_dir / "one")
    scanned(store, models_dir)
    shutil.rmtree(models_dir)
    assert asyncio.run(library(store, models_dir.with_name("other")).rescan()) == ()


def test_the_same_weights_in_two_places_are_one_model(store: Store, tmp_path: Path) -> None:
    first = write_model(tmp_path / "a" / "org" / "one")
    second = write_model(tmp_path / "b" / "org" / "one")
    made = library(store, tmp_path / "a", tmp_path / "b")
    (model,) = asyncio.run(made.rescan())
    assert (model.path, model.copies) == (str(first), (str(second),))
    assert [each.place for each in made.places(model)] == [first, second]
    shutil.rmtree(first)
    asyncio.run(made.look_again(first))
    (model,) = made.models()
    assert (model.path, model.copies) == (str(second), ())


def test_other_weights_of_the_same_name_are_no_copy(store: Store, tmp_path: Path) -> None:
    first = write_model(tmp_path / "a" / "org" / "one")
    other = write_model(tmp_path / "b" / "org" / "one")
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    made = library(store, tmp_path / "a", tmp_path / "b")
    (model,) = asyncio.run(made.rescan())
    assert (model.path, model.copies) == (str(first), ())
    assert [each.place for each in made.places(model)] == [first]


def test_what_is_hidden_stays_so_until_a_rescan_asks_for_it(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")
    write_model(models_dir / "two")
    made = scanned(store, models_dir)
    asyncio.run(made.hide("one"))
    asyncio.run(made.look_again())
    assert [model.id for model in made.models()] == ["two"]
    made = scanned(store, models_dir)
    assert [model.id for model in made.models()] == ["two"]
    with pytest.raises(ModelNotFound):
        made.resolve("one")
    found = asyncio.run(made.rescan(show_hidden=True))
    assert [model.id for model in found] == ["one", "two"]


ALIASES = {
    "gpt-4o": "org/one",
    "two": "org/one",
    "claude-*": "org/two",
    "claude-opus-*": "org/one",
    "gone": "org/three",
    "tuned": "org/one+tune",
}


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("gpt-4o", "org/one"),
        ("GPT-4o:latest", "org/one"),
        ("two", "org/one"),
        ("org/two", "org/two"),
        ("claude-sonnet-4-5", "org/two"),
        ("Claude-Opus-4", "org/one"),
        ("gpt-4o+tune", "org/one+tune"),
        ("tuned", "org/one+tune"),
    ],
)
def test_an_alias_is_accepted_as_an_id_is(
    store: Store, models_dir: Path, name: str, id: str
) -> None:
    write_model(models_dir / "org" / "one")
    write_model(models_dir / "org" / "two")
    write_adapter(models_dir / "tune", config={"model": "org/one"})
    made = scanned(store, models_dir, aliases=ALIASES)
    assert made.resolve(name).id == id


def test_an_alias_of_what_is_not_there_says_so(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "gone")
    made = scanned(store, models_dir, aliases=ALIASES)
    with pytest.raises(ModelNotFound) as caught:
        made.resolve("gone")
    assert caught.value.message == (
        "The alias 'gone' stands for 'org/three', which is not installed."
    )


def test_a_name_says_whether_it_is_an_alias(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    write_model(models_dir / "org" / "two")
    made = scanned(store, models_dir, aliases=ALIASES)
    for name, alias in (
        ("gpt-4o", "gpt-4o"),
        ("GPT-4O", "gpt-4o"),
        ("claude-x", "claude-*"),
        ("org/one", None),
        ("one", None),
    ):
        assert made.alias_in(name, made.resolve(name)) == alias


def test_lm_studios_folder_gives_its_models_their_names(store: Store, tmp_path: Path) -> None:
    home = tmp_path / ".lmstudio"
    folder = write_model(home / "models" / "mlx-community" / "Qwen3-0.6B-4bit")
    (home / "models" / "publisher" / "gguf-only").mkdir(parents=True)
    (home / "models" / "publisher" / "gguf-only" / "model.gguf").touch()
    (home / ".internal").mkdir()
    for root in (home, home / "models"):
        (model,) = asyncio.run(library(store, root).rescan())
        assert (model.id, model.path) == ("mlx-community/Qwen3-0.6B-4bit", str(folder))
