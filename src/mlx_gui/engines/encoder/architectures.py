"""Which encoders the installed mlx-vlm knows, read from its files without importing it."""

import ast
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def known_encoders(answer: str, *, loader: str, aliases: str, of_class: str) -> tuple[str, ...]:
    """Every `model_type` whose `of_class` takes token ids with a mask and returns an `answer`.

    `loader` is the file of the library whose table `aliases` says which package loads which
    `model_type`. Sorted.
    """
    library = _library()
    packages = {
        file.parent.name
        for file in library.glob("models/*/*.py")
        if _answers_tokens(file, answer, of_class)
    }
    table = _table(library / loader, aliases)
    renamed = {name for name, package in table.items() if package in packages}
    return tuple(sorted({*packages, *renamed}))


def _library() -> Path:
    spec = find_spec("mlx_vlm")
    assert spec is not None, "mlx-vlm is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _answers_tokens(file: Path, answer: str, of_class: str) -> bool:
    source = file.read_text(encoding="utf-8")
    if answer not in source or f"class {of_class}" not in source:
        return False
    return any(_reads_tokens(each) for each in _calls(ast.parse(source), of_class, answer))


def _calls(module: ast.Module, of_class: str, answer: str) -> Iterator[ast.FunctionDef]:
    """The `__call__` of the class, where it makes an `answer` with what was hidden last."""
    for statement in module.body:
        if isinstance(statement, ast.ClassDef) and statement.name == of_class:
            for each in statement.body:
                match each:
                    case ast.FunctionDef(name="__call__") if _answers(each, answer):
                        yield each
                    case _:
                        pass


def _answers(call: ast.FunctionDef, answer: str) -> bool:
    return any(_makes(node, answer) for node in ast.walk(call))


def _makes(node: ast.AST, answer: str) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name), keywords=keywords) if name == answer:
            fields = {keyword.arg for keyword in keywords}
            return bool(fields & {"last_hidden_state", "logits"})
        case _:
            return False


def _reads_tokens(call: ast.FunctionDef) -> bool:
    """Whether ids and a mask are all that it needs, and no picture or sound comes first."""
    return [each.arg for each in call.args.args[1:3]] == ["input_ids", "attention_mask"]


def _table(file: Path, name: str) -> Mapping[str, str]:
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
                table: dict[str, Any] = ast.literal_eval(statement.value)
                return table
            case _:
                continue
    return {}
