"""What licences allow, by the names that the hub has for them."""

import pytest

from mlx_gui.core.licence import (
    Licence,
    LicenceClass,
    licence_class,
    licence_in_card,
    web_link,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apache-2.0", "permissive"),
        ("MIT", "permissive"),
        ("bsd-3-clause", "permissive"),
        ("cc-by-4.0", "permissive"),
        ("bsl-1.0", "permissive"),
        ("gpl-3.0", "copyleft"),
        ("agpl-3.0", "copyleft"),
        ("cc-by-sa-4.0", "copyleft"),
        ("cc-by-nc-4.0", "noncommercial"),
        ("cc-by-nc-sa-4.0", "noncommercial"),
        ("qwen-research", "noncommercial"),
        ("fair-noncommercial-research-license", "noncommercial"),
        ("llama3.1", "terms"),
        ("gemma", "terms"),
        ("bsl-1.1", "terms"),
        ("mitigated", "terms"),
        ("<b>mit</b>", "terms"),
        ("other", "terms"),
        ("unknown", None),
        (" ", None),
        (None, None),
    ],
)
def test_a_licence_is_of_one_class(name: str | None, expected: LicenceClass | None) -> None:
    assert licence_class(name) == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"license": "mit"}, Licence("mit")),
        ({"license": ["apache-2.0", "mit"]}, Licence("apache-2.0")),
        (
            {"license": "other", "license_name": "own", "license_link": "https://host/terms"},
            Licence("own", "https://host/terms"),
        ),
        ({"license": "other"}, Licence("other")),
        ({"license": "mit", "license_link": "javascript:alert(1)"}, Licence("mit")),
        ({"license": "unknown"}, None),
        ({"license": " "}, None),
        ({"license": "m\u202eit"}, None),
        ({"license": "x" * 301}, None),
        ({"license": {"name": "mit"}}, None),
        ({"license": []}, None),
        ({}, None),
    ],
)
def test_a_card_names_a_licence_or_none(card: dict[str, object], expected: Licence | None) -> None:
    assert licence_in_card(card) == expected


@pytest.mark.parametrize(
    "said", [None, 5, "", "LICENSE", "ftp://host/x", "https://host/\n", "https://" + "x" * 500]
)
def test_what_is_no_web_address_is_no_link(said: object) -> None:
    assert web_link(said) is None
