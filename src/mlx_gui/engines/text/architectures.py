"""Which text architectures the installed mlx-lm knows, read from its files.

Importing mlx-lm costs over a second and pulls transformers in; the answer is in its sources.
"""

import ast
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

_DEFINES_MODEL = re.compile(r"^class Model\b|^from .*\bModel\b", re.MULTILINE)
_DEFINES_ARGUMENTS = re.compile(r"^class ModelArgs\b|^from .*\bModelArgs\b", re.MULTILINE)
_ENDS_THE_PROCESS = re.compile(r"^\s+(?:sys\.)?exit\(", re.MULTILINE)
"""As olmo does where a package that mlx-lm does not bring is missing."""
_ALIASES = "MODEL_REMAPPING"


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    library = _library()
    modules = {file.stem for file in library.glob("models/*.py") if _is_architecture(file)}
    aliases = _aliases(library / "utils.py")
    return tuple(sorted(modules | {alias for alias, to in aliases.items() if to in modules}))


def is_supported(model_type: str, aliases: Mapping[str, str]) -> bool:
    """Whether `model_type` can be loaded, for who has imported mlx-lm and so knows its aliases."""
    if "/" in model_type:
        return False
    file = _library() / "models" / f"{aliases.get(model_type, model_type)}.py"
    return file.is_file() and _is_architecture(file)


def _library() -> Path:
    spec = find_spec("mlx_lm")
    assert spec is not None, "mlx-lm is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _is_architecture(file: Path) -> bool:
    source = file.read_text(encoding="utf-8")
    return bool(
        _DEFINES_MODEL.search(source)
        and _DEFINES_ARGUMENTS.search(source)
        and not _ENDS_THE_PROCESS.search(source)
    )


def _aliases(file: Path) -> dict[str, str]:
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name == _ALIASES:
                return ast.literal_eval(statement.value)
            case _:
                continue
    return {}
