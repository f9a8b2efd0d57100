"""What `--format` and `/set format` ask for."""

import json
from pathlib import Path
from typing import Any, cast

import typer


def read_format(wanted: str) -> dict[str, Any]:
    """The API's `response_format` for `json`, or for the JSON schema in the file `wanted`.

    Raises typer.BadParameter.
    """
    if wanted == "json":
        return {"type": "json_object"}
    try:
        schema: object = json.loads(Path(wanted).read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{wanted} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{wanted} is not valid JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise typer.BadParameter(f"{wanted} is no JSON schema: it should be an object.")
    named = {"name": "answer", "schema": cast("dict[str, Any]", schema)}
    return {"type": "json_schema", "json_schema": named}
