"""Writes docs/reference from the code; with --check it only says which pages have drifted.

python -m scripts.docs [--check]
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from mlx_gui.api.families import add_routes
from mlx_gui.api.openapi import describe
from mlx_gui.cli.main import COMMANDS, LazyCommand, build_command_line
from mlx_gui.core.errors import error_classes
from mlx_gui.core.setting_row import Setting
from mlx_gui.model_settings import MODEL_SETTINGS
from mlx_gui.server_settings import SERVER_SETTINGS

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
HELP_WIDTH = 90
Schema = Mapping[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 on drift")
    check = parser.parse_args().check
    drifted = [path for path, text in pages() if not path.exists() or path.read_text() != text]
    if check and drifted:
        names = ", ".join(path.name for path in drifted)
        print(f"docs/reference has drifted: {names}. Run: python -m scripts.docs", file=sys.stderr)
        return 1
    texts = dict(pages())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in drifted:
        path.write_text(texts[path])
        print(f"wrote {path.name}")
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every page's path and text."""
    writers: Mapping[str, Callable[[], Iterator[str]]] = {
        "cli.md": cli_page,
        "endpoints.md": endpoints_page,
        "errors.md": errors_page,
        "settings.md": settings_page,
    }
    for name, write in writers.items():
        yield FOLDER / name, "\n".join(write()) + "\n"


def cli_page() -> Iterator[str]:
    group = build_command_line()
    yield "# Commands\n"
    yield "What `mlx-gui COMMAND --help` says. Exit codes: 0 done, 1 an error, 2 wrong usage,"
    yield "130 ended by Ctrl-C.\n"
    yield f"```text\n{_help(group, 'mlx-gui')}\n```"
    for name in COMMANDS:
        stand_in = group.commands[name]
        assert isinstance(stand_in, LazyCommand)
        yield f"\n## mlx-gui {name}\n\n```text\n{_help(stand_in, f'mlx-gui {name}')}\n```"


def settings_page() -> Iterator[str]:
    yield "# Settings\n"
    yield "Each setting has one row, from which its variable, flag and `config.toml` key come."
    yield "A later source wins: default, file, interface, environment, command line."
    yield "`mlx-gui config` shows what holds, and changes it while the server runs: at once, for a"
    yield "model from its next load on, or from the next start on. Lists are arrays in the file; in"
    yield "a variable or flag their members are set apart by a comma, folders by the separator of"
    yield "`PATH`. A variable `MLX_GUI_…` that is none of these is ignored, and named in the log.\n"
    yield "| Name | Type | Default | Values | Variable | Flag | A change holds | What it does |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in SERVER_SETTINGS:
        later = "load" if row.reload else "start" if row.restart else None
        holds = "at once" if later is None else f"from the next {later} on"
        cells = (
            f"`{row.name}`", row.type, _default(row), _values(row), f"`{row.environment_name}`",
            "-" if row.secret else f"`{row.flag}`", holds, row.help,
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield "\n## Settings of a model\n"
    yield "`mlx-gui settings MODEL` and `/v1/models/{name}/settings` show and change them. What is"
    yield "not set is the server's, else the default; without one, the model's files decide.\n"
    yield "| Name | Type | Default | Values | Loaded anew | What it does |"
    yield "|---|---|---|---|---|---|"
    for row in MODEL_SETTINGS:
        default = f"`{row.server}`" if row.server else _default(row)
        anew = "yes" if row.restart else "no"
        cells = (f"`{row.name}`", row.type, default, _values(row), anew, row.help)
        yield f"| {' | '.join(cells)} |"


def errors_page() -> Iterator[str]:
    yield "# Errors\n"
    yield 'Every refused or failed request answers `{"error": {…}}` with `code`, `message`, `hint`,'
    yield "`details` and `request_id`. Codes are stable. What a retry can mend carries"
    yield "`retry-after`, all else `x-should-retry: false`.\n"
    yield "| Code | Status | Retry | Meaning |"
    yield "|---|---|---|---|"
    for code, error in sorted(error_classes().items(), key=lambda item: (item[1].status, item[0])):
        meaning = (error.__dict__.get("__doc__") or "").strip().partition("\n")[0]
        assert meaning, f"{error.__name__} has no docstring"
        yield f"| `{code}` | {error.status} | {'yes' if error.retryable else 'no'} | {meaning} |"


def endpoints_page() -> Iterator[str]:
    app = FastAPI()
    add_routes(app)
    describe(app)
    document = app.openapi()
    yield "# Endpoints\n"
    yield "The running server shows the same at `/docs`, and as OpenAPI at `/openapi.json`.\n"
    yield "| Endpoint | What it does |"
    yield "|---|---|"
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
    ]
    for name, operation in operations:
        yield f"| [`{name}`](#{_anchor(name)}) | {operation['summary']} |"
    for name, operation in operations:
        yield f"\n## {name}\n"
        yield from _operation(operation)
    yield "\n## Bodies"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if not name.startswith(("HTTPValidation", "ValidationError")):
            yield f"\n### {name}\n"
            yield from _schema(schema)


def _help(command: Any, name: str) -> str:
    context = command.make_context(
        name, [], resilient_parsing=True, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH
    )
    return "\n".join(line.rstrip() for line in context.get_help().splitlines())


def _default(row: Setting) -> str:
    if row.default is None:
        return ""
    if row.default in ((), {}):
        return "none"
    shown = f"{row.default:g}" if row.type == "number" else str(row.default).lower()
    return shown if row.default in row.words else f"{shown} {row.unit}".strip()


def _values(row: Setting) -> str:
    if row.choices:
        return ", ".join(f"`{choice}`" for choice in row.choices)
    low, high = row.bounds
    if math.isinf(high):
        return "" if math.isinf(low) else f"from {low}"
    return ", ".join((f"{low} to {high}", *(f"`{word}`" for word in row.words)))


def _anchor(heading: str) -> str:
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _operation(operation: Schema) -> Iterator[str]:
    if text := operation.get("description"):
        yield text + "\n"
    for parameter in operation.get("parameters", []):
        about = parameter.get("description", "")
        need = "" if parameter.get("required") else ", optional"
        yield f"- {parameter['in']} `{parameter['name']}`{need}: {about}".rstrip(": ")
    if body := operation.get("requestBody"):
        yield f"- takes {_content(body)}"
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            yield f"- answers {status} with {_content(answer)}"


def _content(part: Schema) -> str:
    return ", or ".join(
        f"{_type(media.get('schema', {}))} as `{kind}`"
        for kind, media in part.get("content", {}).items()
    ) or "an empty body"  # fmt: skip


def _schema(schema: Schema) -> Iterator[str]:
    if text := schema.get("description"):
        yield text.replace("\n", " ") + "\n"
    required = schema.get("required", [])
    yield "| Field | Type | Default |"
    yield "|---|---|---|"
    for name, field in schema.get("properties", {}).items():
        default = "" if name in required else f"`{json.dumps(field.get('default'))}`"
        yield f"| `{name}` | {_type(field)} | {default} |"


def _type(schema: Schema) -> str:
    if ref := schema.get("$ref"):
        name = ref.rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if choices := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(_type, choices)))
    if "const" in schema:
        return f"`{schema['const']}`"
    if values := schema.get("enum"):
        return " or ".join(f"`{value}`" for value in values)
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object":
            return schema.get("title", "object")
        case None:
            return "any"
        case kind:
            low, high = schema.get("minimum"), schema.get("maximum")
            if low is None or high is None:
                return str(kind)
            return f"{kind} from {_number(low)} to {_number(high)}"


def _number(bound: float) -> str:
    """FastAPI makes every bound a float, that of an integer too."""
    return str(int(bound) if bound == int(bound) else bound)


if __name__ == "__main__":
    sys.exit(main())
