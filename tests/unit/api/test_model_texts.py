"""`/v1/models/{name}/card` and `/template`: what a client reads of an installed model."""

from pathlib import Path

import httpx
import msgspec
import pytest

from mlx_gui.api.manage.model_texts.translate import template_body
from mlx_gui.catalog.model_texts import StoredTemplate
from mlx_gui.wire.model_texts import ModelTemplateBody
from tests.unit.api.parts import MODEL, Shelf, application, config, services, serving

HOSTILE = "---\nlicense: mit\n---\n# <script>alert(1)</script>\n\u202e[x](javascript:alert(1))"


def test_card_licence_and_template_are_told_as_they_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text(HOSTILE, encoding="utf-8")
    (folder / "LICENSE").write_text("Free.", encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    there = msgspec.structs.replace(MODEL, path=str(folder))
    bare = msgspec.structs.replace(MODEL, id="org/bare", path=str(tmp_path / "none"))
    parts = services(config(tmp_path), shelf=Shelf(there, bare))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        assert client.get("/v1/models/org/one/card").json() == {
            "model": "org/one", "card": HOSTILE, "license_text": "Free.",
        }  # fmt: skip
        assert client.get("/v1/models/org%2Fone/template").json() == {
            "model": "org/one",
            "template": "{{ messages }}",
            "source": "file",
            "file": "chat_template.jinja",
            "own": "{{ messages }}",
        }
        assert client.get("/v1/models/org/bare/card").json() == {
            "model": "org/bare", "card": None, "license_text": None,
        }  # fmt: skip
        assert client.get("/v1/models/org/bare/template").json()["template"] is None
        refused = client.get("/v1/models/org/none/card")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("wanted", "stored", "expected"),
    [
        ("{{ mine }}", StoredTemplate("x", "y"), ("{{ mine }}", "setting", None, "x")),
        ("{{ mine }}", None, ("{{ mine }}", "setting", None, None)),
        (None, StoredTemplate("x", "y"), ("x", "file", "y", "x")),
        (None, None, (None, None, None, None)),
    ],
)
def test_the_template_of_the_settings_goes_before_the_models_own(
    wanted: str | None, stored: StoredTemplate | None, expected: tuple[str | None, ...]
) -> None:
    template, source, file, own = expected
    told = template_body(MODEL, wanted, stored)
    assert told == ModelTemplateBody.model_validate(
        {
            "model": "org/one",
            "template": template,
            "source": source,
            "file": file,
            "own": own,
        }
    )
