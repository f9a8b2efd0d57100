"""Links of strangers: which page they mean, and which are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.desktop.errors import BadLink
from mlx_gui.desktop.links import PLACES, page_of, same_server


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("mlx-gui://", ""),
        ("mlx-gui://models", "models"),
        ("MLX-GUI://settings/", "settings"),
        ("mlx-gui://models/install/org/name-4bit", "discover/org/name-4bit"),
        ("mlx-gui://models/install/org%2Fname/", "discover/org/name"),
        ("mlx-gui://models/install/gpt2", "discover/gpt2"),
    ],
)
def test_a_link_means_a_page(link: str, page: str) -> None:
    assert page_of(link) == page


@pytest.mark.parametrize(
    "link",
    [
        "",
        "mlx-gui:models",
        "https://models/install/org/name",
        "javascript:alert(1)//mlx-gui://models",
        "mlx-gui://models/install/",
        "mlx-gui://models/install/../../settings",
        "mlx-gui://models/install/org/..",
        "mlx-gui://models/install/org/%2e%2e",
        "mlx-gui://models/install/org/%252e%252e",
        "mlx-gui://models/install/org/name?confirm=1",
        "mlx-gui://models/install/org/name#x",
        "mlx-gui://models/install/https://evil.example/x",
        "mlx-gui://models/install/javascript:alert(1)",
        "mlx-gui://models/install/org/na\nme",
        "mlx-gui://models/install/org/na%0ame",
        "mlx-gui://models/install/org/na\x1b[2Jme",
        "mlx-gui://models/install/org/\u202egnp.exe",
        "mlx-gui://models/install/org/%E2%80%AEgnp",
        "mlx-gui://models/install/org/\u0430dmin",
        "mlx-gui://models/install/org/name.git",
        "mlx-gui://models/install//etc/passwd",
        "mlx-gui://models/install/" + "a" * 500,
        "mlx-gui://models/remove/org/name",
        "mlx-gui://user@models",
        "mlx-gui://settings/../models",
    ],
)
def test_what_is_no_link_is_refused_in_words_that_do_nothing(link: str) -> None:
    with pytest.raises(BadLink) as caught:
        page_of(link)
    said = caught.value.message
    assert said.isprintable()
    assert said.isascii()
    assert len(said) < 200
    assert "mlx-gui://" in caught.value.hint or "org/name" in caught.value.hint


@given(st.text(max_size=60))
def test_whatever_the_rest_is_the_page_is_one_of_ours(rest: str) -> None:
    try:
        page = page_of(f"mlx-gui://{rest}")
    except BadLink:
        return
    assert page in PLACES or page.startswith("discover/")
    assert not {"..", "?", "#", ":", "%", "\\", "//"} & {
        page[at : at + 2] for at in range(len(page))
    }
    assert not set("?#:%\\") & set(page)


def test_another_port_is_another_server() -> None:
    assert same_server("http://127.0.0.1:8000/admin/x?y", "http://127.0.0.1:8000/")
    assert not same_server("http://127.0.0.1:8001/admin/", "http://127.0.0.1:8000/admin/")
    assert not same_server("https://127.0.0.1:8000/", "http://127.0.0.1:8000/")
    assert not same_server("http://127.0.0.1:8000@evil.example/", "http://127.0.0.1:8000/")
