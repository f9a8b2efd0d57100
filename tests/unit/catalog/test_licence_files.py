"""The licence that a model's folder names, however it is written there."""

from pathlib import Path

import pytest

from mlx_gui.catalog.licence_files import card_head, licence_in, licence_titled
from mlx_gui.core.licence import Licence

APACHE = """

                                 Apache License
                           Version 2.0, January 2004
                        http://www.apache.org/licenses/
"""
MIT = "MIT License\n\nCopyright (c) 2026 Somebody\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("license: mit", Licence("mit")),
        ("license: 'mit' # as before", Licence("mit")),
        ('license: "apache-2.0"\r\ntags: [a]\r', Licence("apache-2.0")),
        ("license: [apache-2.0, mit]", Licence("apache-2.0")),
        ("license:\n- mit\n- apache-2.0", Licence("mit")),
        (
            "license: other\nlicense_name: llama3.1\nlicense_link: https://host/LICENSE",
            Licence("llama3.1", "https://host/LICENSE"),
        ),
        ("license: other\nlicense_link: LICENSE", Licence("other")),
        ("model:\n  license: mit", None),
        ("license: |\n  mit", None),
        ("license: *alias", None),
        ("license: ~", None),
        ("license:", None),
        ("license", None),
        ("# license: mit", None),
    ],
)
def test_the_head_of_a_card_names_it(tmp_path: Path, head: str, expected: Licence | None) -> None:
    card = f"---\n{head}\n---\n# Card\n\nlicense: gpl-3.0\n"
    (tmp_path / "README.md").write_bytes(card.encode())
    assert licence_in(tmp_path) == expected


@pytest.mark.parametrize(
    "card", ["license: mit\n", "---\nlicense: mit\n", "# Card\n---\nlicense: mit\n---\n", ""]
)
def test_a_card_without_a_head_names_none(card: str) -> None:
    assert card_head(card) == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (APACHE, "apache-2.0"),
        (MIT, "mit"),
        ("# The MIT License (MIT)\n", "mit"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n", "gpl-3.0"),
        ("Attribution-NonCommercial 4.0 International\n\n=====\n\nText", "cc-by-nc-4.0"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version\n", "llama3.1"),
        ("Modified MIT License\n\nCopyright", None),
        ("MIT License with more terms\n", None),
        ("Apache License\nVersion 1.1\n", None),
        ("Copyright (c) 2026 Somebody\n\nPermission is hereby granted", None),
        ("", None),
    ],
)
def test_the_title_of_a_licence_names_it_or_nothing_does(text: str, name: str | None) -> None:
    assert licence_titled(text) == name


def test_the_card_goes_before_the_text_of_a_licence(tmp_path: Path) -> None:
    assert licence_in(tmp_path) is None
    (tmp_path / "LICENSE").write_text(MIT, encoding="utf-8")
    assert licence_in(tmp_path) == Licence("mit")
    (tmp_path / "README.md").write_text("---\nlicense: gemma\n---\n", encoding="utf-8")
    assert licence_in(tmp_path) == Licence("gemma")
