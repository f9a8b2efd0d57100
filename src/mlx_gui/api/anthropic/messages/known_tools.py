"""The tools that Anthropic describes and the client runs, as functions.

Anthropic's models know them by their types. Others are told what they take.
"""

import re
from typing import Any

from mlx_gui.core.generation import Tool

_TYPE = re.compile(r"(bash|text_editor|memory|computer)_\d{8}")
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_POINT = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_EDITS = {
    "path": _TEXT,
    "file_text": {**_TEXT, "description": "What `create` writes."},
    "old_str": {**_TEXT, "description": "What `str_replace` looks for; it must be there once."},
    "new_str": {**_TEXT, "description": "What `str_replace` puts in its place."},
    "insert_line": {**_NUMBER, "description": "The line behind which `insert` inserts; 0 is none."},
    "insert_text": {**_TEXT, "description": "What `insert` inserts."},
    "view_range": {**_POINT, "description": "The first and the last line that `view` shows."},
}


def _commands(*names: str) -> dict[str, object]:
    return {"type": "string", "enum": list(names)}


_DESCRIPTIONS = {
    "bash": "Runs a command in a shell that stays open between calls.",
    "text_editor": "Shows, creates and changes text files.",
    "memory": "Shows, creates, changes, moves and deletes files below /memories, which are kept "
    "between conversations.",
    "computer": "Uses the mouse, the keyboard and the screen.",
}
_PROPERTIES: dict[str, dict[str, object]] = {
    "bash": {
        "command": {**_TEXT, "description": "The command to run."},
        "restart": {"type": "boolean", "description": "Whether to start the shell anew instead."},
    },
    "text_editor": {"command": _commands("view", "create", "str_replace", "insert"), **_EDITS},
    "memory": {
        "command": _commands("view", "create", "str_replace", "insert", "delete", "rename"),
        **_EDITS,
        "old_path": _TEXT,
        "new_path": _TEXT,
    },
    "computer": {
        "action": _commands(
            "key", "type", "mouse_move", "left_click", "left_click_drag", "right_click",
            "middle_click", "double_click", "triple_click", "left_mouse_down", "left_mouse_up",
            "scroll", "hold_key", "wait", "cursor_position", "screenshot", "zoom",
        ),
        "coordinate": {**_POINT, "description": "Pixels from the left and from the top."},
        "start_coordinate": _POINT,
        "text": {**_TEXT, "description": "What to type, or the keys to press."},
        "scroll_direction": _commands("up", "down", "left", "right"),
        "scroll_amount": _NUMBER,
        "duration": {"type": "number", "description": "Seconds."},
        "region": {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4},
    },
}  # fmt: skip
_REQUIRED = {
    "bash": [],
    "text_editor": ["command", "path"],
    "memory": ["command"],
    "computer": ["action"],
}


def known_tool(type_: str, name: str) -> Tool | None:
    """The tool of this type as a function; None for one that only Anthropic's servers run."""
    kind = _TYPE.fullmatch(type_)
    if kind is None:
        return None
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": _PROPERTIES[kind[1]],
        "required": _REQUIRED[kind[1]],
    }
    return Tool(name, _DESCRIPTIONS[kind[1]], parameters)
