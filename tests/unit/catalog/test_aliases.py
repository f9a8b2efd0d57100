"""What a model may be called besides, and that it stays so."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlx_gui.catalog.aliases import Aliases
from mlx_gui.core.alias import LONGEST_ALIAS, checked_alias, pattern_for
from mlx_gui.core.errors import Conflict, InvalidRequest, NotFound
from mlx_gui.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "name", ["gpt-4o", "claude-*", "openai/gpt-4o", "llama3:latest", "straße", "a", "org/*"]
)
def test_a_name_that_clients_send_may_be_an_alias(name: str) -> None:
    assert checked_alias(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "*",
        "a b",
        "a\nb",
        "a\x00",
        "../models",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        "a*b",
        "**",
        "base+adapter",
        "a?b",
        "a#b",
        "a%2Fb",
        "a\\b",
        "x" * (LONGEST_ALIAS + 1),
        "\ud800",
    ],
)
def test_what_no_client_could_send_or_means_something_else_is_no_alias(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_alias(name)
    assert caught.value.details["param"] == "alias"
    caught.value.message.encode()
    assert len(caught.value.message) < 400


def test_the_longest_beginning_counts() -> None:
    known = ["claude-*", "claude-opus-*", "gpt-4o"]
    assert pattern_for("claude-opus-4", known) == "claude-opus-*"
    assert pattern_for("CLAUDE-haiku", known) == "claude-*"
    assert pattern_for("gpt-4o-mini", known) is None


def test_aliases_are_kept_replaced_and_removed(store: Store) -> None:
    changed: list[str] = []
    made = Aliases(store, on_change=changed.append)
    asyncio.run(made.put("gpt-4o", "org/one"))
    asyncio.run(made.put("gpt-4o", "org/two"))
    asyncio.run(made.put("another", "org/two"))
    again = Aliases(store, on_change=changed.append)
    asyncio.run(again.recall())
    assert again.all() == made.all()
    assert again.of("org/two") == ["another", "gpt-4o"]
    assert again.of("org/one") == []
    assert again.targets() == {"another": "org/two", "gpt-4o": "org/two"}
    asyncio.run(again.remove("gpt-4o"))
    with pytest.raises(NotFound):
        again.get("gpt-4o")
    assert again.of("org/two") == ["another"]
    assert changed == ["org/one", "org/two", "org/one", "org/two", "org/two"]


def test_a_model_is_no_alias_of_itself(store: Store) -> None:
    with pytest.raises(Conflict):
        asyncio.run(Aliases(store, on_change=lambda _: None).put("org/one", "org/one"))
