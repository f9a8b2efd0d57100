"""Calls written as Python: `[get_weather(city="Paris")]`."""

import ast
from collections.abc import Sequence

from mlx_gui.parsers.base import Call, NotACall
from mlx_gui.parsers.json_text import call_of, calls_of

# A TypeError comes of sets and keys that cannot be hashed.
_AST_ERRORS = (MemoryError, RecursionError, SyntaxError, TypeError, ValueError)


def python_calls_of(text: str) -> Sequence[Call]:
    """The calls in `text`, which is Python or JSON. Raises NotACall. Nothing is run."""
    if text.lstrip().startswith(("{", "[{")):
        return calls_of(text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return [_call(each) for each in (tree.elts if isinstance(tree, ast.List) else [tree])]
    except _AST_ERRORS as error:
        raise NotACall(str(error)) from error


def _call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise NotACall("no call")
    inner = node.args[0] if node.func.id == "print" and len(node.args) == 1 else None
    if isinstance(inner, ast.Call):
        return _call(inner)
    if node.args:
        raise NotACall("arguments without names")
    arguments = {
        keyword.arg: ast.literal_eval(keyword.value)
        for keyword in node.keywords
        if keyword.arg is not None
    }
    return call_of(node.func.id, arguments)
