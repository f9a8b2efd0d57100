"""What licences allow, by the names that the hub has for them."""

import pytest

from mlx_gui.catalog.licences import LicenceClass, licence_class


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
