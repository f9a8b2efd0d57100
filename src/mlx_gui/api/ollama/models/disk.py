"""What of a model is read from its folder for each request: the time of a change, the template."""

from pathlib import Path
from typing import cast

from mlx_gui.core.model import Model
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object


def modified_s(model: Model) -> float | None:
    """Unix time at which the model's config.json changed; None when there is none."""
    try:
        return (Path(model.path) / "config.json").stat().st_mtime
    except OSError:
        return None


def chat_template(model: Model) -> str:
    """The chat template as it lies in the folder; empty when there is none that can be read."""
    folder = Path(model.path)
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    for name in ("tokenizer_config.json", "chat_template.json"):
        try:
            found = read_json_object(folder / name).get("chat_template")
        except DamagedFile:
            continue
        if template := _template(found):
            return template
    return ""


def _template(found: object) -> str:
    """A template is a string, or one of several with names, of which `default` counts."""
    if isinstance(found, list):
        for each in cast(list[object], found):
            named = cast(dict[str, object], each) if isinstance(each, dict) else {}
            if named.get("name") == "default":
                return _template(named.get("template"))
    return found if isinstance(found, str) else ""
