"""Which files of a repo a server needs of it, and why it has no use for a repo.

Weights as safetensors, what describes them, and what makes text of tokens; the card too, which
names the model that a conversion was made of. Never pickles, which run when they are read, and
never code.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import msgspec

from mlx_gui.core.errors import InvalidRequest, NotServable
from mlx_gui.core.hub import RepoFile, RepoTree
from mlx_gui.core.model import Kind
from mlx_gui.kinds.speech_files import why_not_this_variant

INDEX_SUFFIX = ".safetensors.index.json"
CONFIG = "config.json"
CARD = "README.md"

_WEIGHTS = (".safetensors", "/weights.npz")
"""The second is MLX's own form for Whisper, of arrays alone: MLX runs nothing of it."""
_GGUF = ".gguf"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".nemo")
_CODE = (".py", ".sh", ".so", ".dylib", ".dll", ".js", ".ipynb", ".exe", ".whl")
_DESCRIPTIONS = (".json", ".jinja", ".model", ".tiktoken", ".vocab", ".bpe", ".spm", ".txt")
_OF_NO_USE = (
    "trainer_state.json",
    "training_args.json",
    "all_results.json",
    "*_results.json",
    "requirements*.txt",
    "license*.txt",
    "notice*.txt",
    "readme*.txt",
)
_OTHER_FORMS = frozenset(
    {
        "onnx", "openvino", "coreml", "original", "gguf", "tf", "tflite", "flax", "pytorch",
        "metal", "runs", "logs", "checkpoints", "assets", "images", "figures", "examples",
        "samples",
    }
)  # fmt: skip
_SHOWN = 3


def needed_files(tree: RepoTree, patterns: Sequence[str] = ()) -> tuple[RepoFile, ...]:
    """What serving needs of the repo, the smallest first.

    With `patterns`, as of a shell, the weights are those that match one, GGUF files among them.
    Raises NotServable with the reason, and InvalidRequest for patterns that cannot be followed.
    """
    useful = [file for file in tree.files if not _of_no_use(file.path)]
    described = [file for file in useful if file.path.endswith(_DESCRIPTIONS) or file.path == CARD]
    weights = _asked(tree, patterns) if patterns else _weights(useful)
    if not weights:
        raise _no_weights(tree)
    if not any(_is_gguf(file) for file in weights) and not _has(described, CONFIG):
        raise NotServable(
            f"{tree.model_id} has no {CONFIG}, so nobody can tell what model it is.",
            hint="Look for a repo of the same model for MLX; `mlx-gui search` finds them.",
        )
    chosen = {file.path: file for file in (*described, *weights)}
    return tuple(sorted(chosen.values(), key=lambda file: (file.size_bytes, file.path)))


def check_index(tree: RepoTree, index: RepoFile, content: bytes) -> None:
    """Raises NotServable when `index` is no index, or names files that the repo lacks."""
    folder = PurePosixPath(index.path).parent
    try:
        named = msgspec.json.decode(content, type=_Index).weight_map.values()
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotServable(f"{tree.model_id} has an {index.path} that is damaged.") from error
    there = {file.path for file in tree.files}
    missing = sorted({name for name in named if str(folder / name) not in there})
    if missing:
        raise NotServable(
            f"{tree.model_id} lacks {len(missing)} of the files that its {index.path} names: "
            f"{_listed(missing)}.",
            hint="Whoever owns the repo has not uploaded all of it; try another one.",
        )


def check_config(
    tree: RepoTree, content: bytes, *, supported: Mapping[Kind, tuple[str, ...]]
) -> None:
    """Raises NotServable when only the repo's own code can run the model, or nothing can tell; and
    for a model that speaks and is of a variant that is not served.

    `supported` names the architectures that the installed libraries know, nothing where that is
    not known yet.
    """
    try:
        config = msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotServable(f"{tree.model_id} has a {CONFIG} that is damaged.") from error
    if (reason := why_not_this_variant(config)) is not None:
        raise NotServable(f"{tree.model_id} cannot be served: {reason}")
    model_type = config.get("model_type")
    known = {each for names in supported.values() for each in names}
    if "auto_map" in config and known and model_type not in known:
        raise NotServable(
            f"{tree.model_id} is run by code of its own, which mlx-gui does not run: the "
            f"architecture {model_type!r} is in none of the installed libraries.",
            hint="Look for a model of an architecture that is known; `mlx-gui search` shows those.",
        )


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def _asked(tree: RepoTree, patterns: Sequence[str]) -> list[RepoFile]:
    chosen: dict[str, RepoFile] = {}
    for pattern in patterns:
        matching = [file for file in tree.files if fnmatchcase(file.path, pattern)]
        if not matching:
            raise InvalidRequest(
                f"{tree.model_id} has no file that matches {pattern!r}.",
                hint="`mlx-gui info` shows its files.",
                param="files",
            )
        chosen.update((file.path, file) for file in matching)
    for path in chosen:
        if path.endswith((*_PICKLES, *_CODE)) and not _has_weights(path):
            raise InvalidRequest(
                f"{path} is not fetched: what comes with a model as a pickle or as code is never "
                "run here.",
                hint="Name files of safetensors or GGUF.",
                param="files",
            )
    asked = list(chosen.values())
    if any(_has_weights(file.path) or _is_gguf(file) for file in asked):
        return asked
    return [*asked, *_weights([file for file in tree.files if not _of_no_use(file.path)])]


def _weights(useful: Iterable[RepoFile]) -> list[RepoFile]:
    """Those in safetensors, without the second copies that some repos have in another form."""
    found = [file for file in useful if _has_weights(file.path)]
    weights = [file for file in found if file.path.endswith(".safetensors")] or found
    names = {file.path for file in weights}

    def spare(path: str) -> bool:
        pure = PurePosixPath(path)
        plain = str(pure.with_name(pure.name.replace(".fp16", "").replace(".bf16", "")))
        if plain != path and plain in names:
            return True
        beside = {name for name in names if PurePosixPath(name).parent == pure.parent}
        return pure.name.startswith("consolidated") and any(
            PurePosixPath(name).name.startswith("model") for name in beside
        )

    return [file for file in weights if not spare(file.path)]


def _no_weights(tree: RepoTree) -> NotServable:
    found = [file.path for file in tree.files]
    if any(path.endswith(_GGUF) for path in found):
        return NotServable(
            f"{tree.model_id} has its weights as GGUF only: "
            f"{_listed([path for path in found if path.endswith(_GGUF)])}.",
            hint="Name the one that you want in `files`, or take a repo of the model for MLX.",
        )
    if pickles := [path for path in found if path.endswith(_PICKLES)]:
        return NotServable(
            f"{tree.model_id} has its weights as pickles only ({_listed(pickles)}), which run "
            "whatever is in them when they are read.",
            hint="Look for the model in safetensors; mlx-community has converted many.",
        )
    if code := [path for path in found if path.endswith(_CODE)]:
        return NotServable(
            f"{tree.model_id} has no weights, only code of its own ({_listed(code)}).",
            hint="mlx-gui runs no code that comes with a model.",
        )
    return NotServable(
        f"{tree.model_id} has no weights.", hint="It may hold an adapter's notes, or a data set."
    )


def _of_no_use(path: str) -> bool:
    pure = PurePosixPath(path)
    if any(part.startswith((".", "checkpoint-")) for part in pure.parts):
        return True
    if not _OTHER_FORMS.isdisjoint(pure.parts[:-1]):
        return True
    return any(fnmatchcase(pure.name.lower(), pattern) for pattern in _OF_NO_USE)


def _has_weights(path: str) -> bool:
    return f"/{path}".endswith(_WEIGHTS)


def _is_gguf(file: RepoFile) -> bool:
    return file.path.endswith(_GGUF)


def _has(files: Iterable[RepoFile], path: str) -> bool:
    return any(file.path == path for file in files)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
