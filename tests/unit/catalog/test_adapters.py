"""Adapters on disk, and the models that they make of others."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlx_gui.catalog.adapters import Adapter
from mlx_gui.catalog.library import Library
from mlx_gui.catalog.scan import scan
from mlx_gui.core.errors import InvalidRequest, ModelNotFound
from mlx_gui.core.model import Model
from mlx_gui.store.database import Store
from tests.unit.kinds.folders import write_adapter, write_model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def scanned(store: Store, models_dir: Path) -> Library:
    made = Library(
        store=store,
        model_dirs=lambda: (models_dir,),
        supported=dict,
        on_change=lambda: None,
    )
    asyncio.run(made.rescan())
    return made


def ids(library: Library) -> list[str]:
    return [model.id for model in library.models()]


def only_adapter(folder: Path) -> Adapter:
    (adapter,) = scan([folder]).adapters
    return adapter


def test_an_adapter_is_no_model_and_has_the_name_of_its_folder(tmp_path: Path) -> None:
    write_adapter(tmp_path / "org" / "tune", config={"model": "org/one"})
    result = scan([tmp_path])
    assert result.models == ()
    (adapter,) = result.adapters
    assert (adapter.name, adapter.base, adapter.problem) == ("org/tune", "org/one", None)
    assert adapter.weights_bytes == 4 * 64 * 8
    assert adapter.disk_bytes == sum(p.stat().st_size for p in (tmp_path / "org/tune").iterdir())


def test_a_model_that_was_trained_into_one_piece_stays_a_model(tmp_path: Path) -> None:
    write_adapter(write_model(tmp_path / "fused"))
    result = scan([tmp_path])
    assert [model.name for model in result.models] == ["fused"]
    assert result.adapters == ()


def test_of_two_adapters_with_one_name_the_first_folder_wins(tmp_path: Path) -> None:
    first = write_adapter(tmp_path / "a" / "tune")
    write_adapter(tmp_path / "b" / "tune")
    result = scan([tmp_path / "a", tmp_path / "b"])
    assert [adapter.folder for adapter in result.adapters] == [first]
    assert "is hidden by" in result.notes[0]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"fine_tune_type": "prefix"}, "fine_tune_type is 'prefix', not lora, dora or full"),
        ({"fine_tune_type": ["lora"]}, "fine_tune_type is ['lora']"),
        ({"num_layers": "all"}, "names no num_layers"),
        ({"lora_parameters": {"rank": 8}}, "lack scale, dropout"),
        ({"lora_parameters": None}, "lack rank, scale, dropout"),
    ],
)
def test_a_config_that_mlx_lm_could_not_use_is_the_problem(
    tmp_path: Path, config: dict[str, object], said: str
) -> None:
    write_adapter(tmp_path / "tune", config=config)
    assert said in (only_adapter(tmp_path).problem or "")


def test_a_full_fine_tune_needs_no_parameters(tmp_path: Path) -> None:
    config = {"fine_tune_type": "full", "num_layers": None, "lora_parameters": None}
    write_adapter(tmp_path / "tune", config=config)
    assert only_adapter(tmp_path).problem is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("adapter_config.json", b"{", "adapter_config.json is not valid JSON"),
        ("adapter_config.json", b"[]", "is not a JSON object"),
        ("adapters.safetensors", b"\x10", "adapters.safetensors does not begin as"),
        ("adapters.safetensors", None, "adapters.safetensors is missing; no other form"),
    ],
)
def test_a_damaged_adapter_is_known_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    folder = write_adapter(tmp_path / "tune")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert said in (only_adapter(tmp_path).problem or "")


def test_base_and_adapter_are_named_by_id_or_short_name(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "org" / "one")
    folder = write_adapter(models_dir / "me" / "tune")
    library = scanned(store, models_dir)
    for name in ("org/one+me/tune", "one+tune", "org/one+tune", "one+me/tune"):
        found = library.resolve(name)
        assert found.id == "org/one+me/tune"
        assert (found.path, found.adapter) == (str(models_dir / "org" / "one"), str(folder))
        assert (found.base, found.problem) == ("org/one", None)
        assert found.facts == library.resolve("one").facts
        assert found.adapter_bytes == 4 * 64 * 8


@pytest.mark.parametrize("base", ["org/one", "one", "mlx-community/one", "/{path}"])
def test_a_pair_is_listed_where_the_adapter_names_a_model_that_is_here(
    store: Store, models_dir: Path, base: str
) -> None:
    one = write_model(models_dir / "org" / "one")
    write_adapter(models_dir / "tune", config={"model": str(one) if "path" in base else base})
    assert ids(scanned(store, models_dir)) == ["org/one", "org/one+tune"]


@pytest.mark.parametrize("base", ["org/elsewhere", "", 5, None, "two"])
def test_an_adapter_of_no_known_model_is_not_listed_but_can_be_named(
    store: Store, models_dir: Path, base: object
) -> None:
    write_model(models_dir / "org" / "one")
    write_model(models_dir / "a" / "two")
    write_model(models_dir / "b" / "two")
    write_adapter(models_dir / "tune", config={"model": base})
    library = scanned(store, models_dir)
    assert ids(library) == ["a/two", "b/two", "org/one"]
    assert library.resolve("one+tune").id == "org/one+tune"


def test_a_pair_with_a_damaged_adapter_is_listed_with_the_reason(
    store: Store, models_dir: Path
) -> None:
    write_model(models_dir / "one")
    write_adapter(models_dir / "tune", config={"model": "one", "num_layers": None})
    found = scanned(store, models_dir).resolve("one+tune")
    assert found.problem == (
        "The adapter tune cannot be used: adapter_config.json names no num_layers."
    )


def test_an_unknown_adapter_is_named_with_those_that_are_here(
    store: Store, models_dir: Path
) -> None:
    write_model(models_dir / "org" / "one")
    with pytest.raises(ModelNotFound) as caught:
        scanned(store, models_dir).resolve("one+tune")
    assert caught.value.message == "The adapter 'tune' for org/one is not installed."
    assert "No adapters are installed" in caught.value.hint
    write_adapter(models_dir / "me" / "tone")
    write_adapter(models_dir / "you" / "tone")
    library = scanned(store, models_dir)
    with pytest.raises(ModelNotFound) as caught:
        library.resolve("one+tune")
    assert caught.value.hint == "Installed are me/tone, you/tone."
    with pytest.raises(InvalidRequest, match="'tone' may mean me/tone or you/tone"):
        library.resolve("one+tone")
    with pytest.raises(ModelNotFound, match=r"'two\+tone' is not installed"):
        library.resolve("two+tone")


@pytest.mark.parametrize(
    "name",
    ["org/one+me/tone", "One+Tone", "ORG/ONE+tone", "one:latest+tone", "one+Me/TONE:latest"],
)
def test_both_names_of_a_pair_are_found_in_any_case_and_with_a_tag(
    store: Store, models_dir: Path, name: str
) -> None:
    write_model(models_dir / "org" / "one")
    write_adapter(models_dir / "me" / "tone")
    assert scanned(store, models_dir).resolve(name).id == "org/one+me/tone"


def test_a_plus_may_be_part_of_a_models_own_name(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "c++")
    write_model(models_dir / "c")
    write_adapter(models_dir / "tune+more")
    library = scanned(store, models_dir)
    assert library.resolve("c++").adapter is None
    for name in ("c+++tune+more", "c+tune+more"):
        assert library.resolve(name).id == name


def test_an_adapter_alone_is_no_model(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")
    write_adapter(models_dir / "tune", config={"model": "one"})
    library = scanned(store, models_dir)
    with pytest.raises(ModelNotFound):
        library.resolve("tune")


def test_a_pair_has_the_date_of_the_adapter(store: Store, models_dir: Path) -> None:
    write_model(models_dir / "one")
    write_adapter(models_dir / "tune", config={"model": "one"})
    library = scanned(store, models_dir)
    query = "UPDATE models SET discovered_at = 'then' WHERE name = 'tune'"
    asyncio.run(store.write(lambda connection: connection.exec_driver_sql(query)))
    found: dict[str, Model] = {model.id: model for model in asyncio.run(library.rescan())}
    assert found["one+tune"].discovered_at == "then"
    assert found["one"].discovered_at != "then"
