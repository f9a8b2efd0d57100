"""`mlx-gui config`: every setting, its value and its source."""

import json
from pathlib import Path

from mlx_gui.cli.config import settings_json, shown_value
from mlx_gui.config import resolve
from mlx_gui.server_settings import SERVER_SETTINGS

ROWS = {row.name: row for row in SERVER_SETTINGS}


def test_every_setting_is_shown_with_value_unit_and_source(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("slots = 4\noffline = true\n")
    config = resolve(
        flags={"data_dir": str(tmp_path), "port": "0"},
        environment={"MLX_GUI_ALLOWED_HOSTS": "a.lan, b.lan", "MLX_GUI_MODEL_DIRS": "/m"},
    )
    shown = json.loads(json.dumps(settings_json(config)))
    assert list(shown) == list(ROWS)
    assert shown["slots"] == {"value": 4, "unit": None, "source": "file"}
    assert shown["offline"] == {"value": True, "unit": None, "source": "file"}
    assert shown["port"] == {"value": 0, "unit": None, "source": "command line"}
    assert shown["keep_alive_s"] == {"value": 900, "unit": "s", "source": "default"}
    assert shown["model_dirs"] == {"value": ["/m"], "unit": None, "source": "environment"}
    assert shown["allowed_hosts"]["value"] == ["a.lan", "b.lan"]
    assert shown["data_dir"]["value"] == str(tmp_path)


def test_a_value_is_shown_as_it_could_be_typed(tmp_path: Path) -> None:
    typed = {
        "model_dirs": "/a:/b",
        "allowed_hosts": "x,y",
        "allowed_origins": "https://a.example,moz-extension://*",
        "trusted_proxies": "127.0.0.1,10.0.0.0/8",
        "offline": "on",
        "preload": "org/a,org/b",
        "queue_timeout_s": "2",
    }
    config = resolve(flags={"data_dir": str(tmp_path), **typed}, environment={})
    # A secret is shown nowhere.
    shown = {name: shown_value(config, row) for name, row in ROWS.items() if not row.secret}
    again = resolve(flags=shown | {"data_dir": str(tmp_path)}, environment={})
    assert {name: getattr(again, name) for name in ROWS} == {
        name: getattr(config, name) for name in ROWS
    }
