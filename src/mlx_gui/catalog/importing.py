"""A model from elsewhere on this machine becomes one of a model folder: whole, or not at all."""

import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlx_gui.catalog.disk_room import reserve_of
from mlx_gui.core.durable import sync_folder, write_durably
from mlx_gui.core.errors import Conflict, DiskFull, InvalidRequest, NotServable
from mlx_gui.core.hub import checked_repo_id
from mlx_gui.core.units import format_bytes
from mlx_gui.kinds.registry import has_weights, recognise

ImportMode = Literal["link", "copy", "move"]

WORK_FOLDER = ".importing"
"""Hidden, so that a scan passes over what is unfinished; beside the models, so that the finished
folder can be renamed into its place."""

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar", ".zst")
_GGUF = ".gguf"
_CHUNK_BYTES = 8 * 1024 * 1024
_MOST_FILES = 10_000
_LONGEST_PATH = 4096
"""Characters; no system here takes more bytes."""


@dataclass(frozen=True, slots=True)
class Importable:
    """A folder or a GGUF file that can be imported. `files` are relative, with their sizes.

    `bound_by` is a link in it that would lead nowhere if the folder were moved.
    """

    path: Path
    form: Literal["folder", "gguf"]
    files: tuple[tuple[Path, int], ...]
    bound_by: Path | None = None

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files)


def examine(text: str) -> Importable:
    """What lies at the path `text`; reads the disk. Raises InvalidRequest and NotServable."""
    path = _existing(text)
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == _GGUF and path.is_file():
        return Importable(path, "gguf", ((Path(path.name), path.stat().st_size),))
    if path.name.lower().endswith(_ARCHIVES):
        hint = "Unpack it, and import the folder that has its config.json."
        raise NotServable(f"{path} is an archive, and not a folder.", hint=hint)
    raise NotServable(
        f"{path} is neither a folder nor a GGUF file.",
        hint="Name the folder that has the model's config.json, or a file that ends in .gguf.",
    )


def checked_name(name: str | None, path: Path) -> str:
    """What the model will be called: `name`, or as its folder or file is. Raises InvalidRequest."""
    return checked_repo_id(path.name.removesuffix(_GGUF) if name is None else name, param="name")


def check_free(target: Path, root: Path) -> None:
    """Raises Conflict when `target`, below `root`, is taken, or would lie in another model."""
    if os.path.lexists(target):
        raise _taken(target)
    for folder in target.parents:
        if folder == root:
            return
        # What lies in a model is not searched for more, and a link leads into somebody's own.
        if folder.is_symlink() or (folder / "config.json").exists():
            raise Conflict(
                f"{target} would lie in the folder of the model {folder.relative_to(root)}.",
                hint="Give the new model another name.",
            )


def check_place(
    source: Importable, target: Path, root: Path, *, mode: ImportMode, reserve_bytes: int
) -> None:
    """Raises Conflict as `check_free` does, and DiskFull when a copy would not fit.

    `reserve_bytes` is what is to stay free, 0 the usual. Raises InvalidRequest for a folder that
    cannot be moved.
    """
    check_free(target, root)
    if mode == "move" and source.bound_by is not None:
        raise InvalidRequest(
            f"{source.path} cannot be moved: {source.bound_by} would lead nowhere then.",
            hint="Import it with the mode copy, or link.",
            param="mode",
        )
    room = target.parent
    while not room.exists():
        room = room.parent
    moved = mode == "move" and source.path.stat().st_dev == room.stat().st_dev
    if source.form == "folder" and (mode == "link" or moved):
        return
    usage = shutil.disk_usage(room)
    kept_bytes = reserve_of(usage.total, reserve_bytes)
    if usage.free - kept_bytes < source.bytes:
        raise DiskFull(
            f"{source.path} needs {format_bytes(source.bytes)}, but the disk of {room} has "
            f"{format_bytes(usage.free)} left, and a reserve of {format_bytes(kept_bytes)} stays.",
            hint="Free some space, set disk_reserve_bytes lower, or import it with the mode link.",
            details={"needed_bytes": source.bytes, "free_bytes": usage.free},
        )


def work_folder(target: Path, root: Path) -> Path:
    """Where the model that will lie at `target`, below `root`, is made."""
    return root / WORK_FOLDER / "--".join(target.relative_to(root).parts)


def copied(source: Importable, work: Path) -> Generator[int]:
    """Copies the files into `work`, which it empties first; yields the bytes done after each chunk.

    Links are followed. What is there is on the disk when it ends. Raises OSError.
    """
    shutil.rmtree(work, ignore_errors=True)
    done_bytes = 0
    for name, _ in source.files:
        made = work / name
        made.parent.mkdir(parents=True, exist_ok=True)
        with (source.path / name).open("rb") as original, made.open("xb") as copy:
            while chunk := original.read(_CHUNK_BYTES):
                done_bytes += copy.write(chunk)
                yield done_bytes
            copy.flush()
            os.fsync(copy.fileno())


def put_in_place(made: Path, target: Path, *, work: Path) -> None:
    """Let what was made appear at `target`, and note beside `work` that it is ours.

    `made` is a folder or a link on the same disk. Raises OSError, FileExistsError if another came
    first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise FileExistsError(target)
    work.parent.mkdir(parents=True, exist_ok=True)
    # A rename keeps the inode, so that a later run knows its own work from another's.
    write_durably(_note(work), str(made.lstat().st_ino).encode())
    made.rename(target)
    sync_folder(target.parent)


def is_placed(target: Path, *, work: Path) -> bool:
    """Whether `target` is what `put_in_place` let appear; a later run has only the rest to do.

    Raises Conflict where something else is in the place.
    """
    if not os.path.lexists(target):
        return False
    try:
        ours = int(_note(work).read_bytes()) == target.lstat().st_ino
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise _taken(target)
    return True


def clear_work(work: Path) -> None:
    """Remove what was not finished, and the note of what was."""
    if work.is_symlink():
        work.unlink()
    shutil.rmtree(work, ignore_errors=True)
    _note(work).unlink(missing_ok=True)


def _note(work: Path) -> Path:
    return work.with_name(f"{work.name}.placed")


def _taken(target: Path) -> Conflict:
    return Conflict(
        f"There is a folder {target} already.",
        hint="Give the model another name, or remove the other one.",
    )


def _existing(text: str) -> Path:
    if not 0 < len(text) <= _LONGEST_PATH or not text.isprintable():
        raise InvalidRequest(
            "The path cannot be one of this machine.",
            hint="Name a model folder or a file that ends in .gguf.",
            param="path",
        )
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise InvalidRequest(
            f"{text} is not an absolute path.",
            hint="Name the whole path, from the root of the machine that the server runs on.",
            param="path",
        )
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(
            f"{text} cannot be read: {reason}.",
            hint="The path is looked for on the machine that the server runs on.",
            param="path",
        ) from error


def _folder(path: Path) -> Importable:
    here = _names(path)
    if "config.json" not in here or not has_weights(here):
        missing = "config.json" if "config.json" not in here else "weights that can be served"
        raise NotServable(
            f"{path} is no model folder: it has no {missing}.",
            hint="Name the folder that has config.json and the weights in it.",
        )
    files = tuple(_files(path))
    problem = recognise(path).problem
    if problem is not None:
        raise NotServable(f"The model in {path} cannot be served: {problem}")
    links = (path / name for name, _ in files if (path / name).is_symlink())
    bound_by = next((each for each in links if not _moves_along(each, path)), None)
    return Importable(path, "folder", files, bound_by)


def _names(folder: Path) -> frozenset[str]:
    """The files that lie in `folder` itself. Raises InvalidRequest where nobody may look."""
    try:
        return frozenset(each.name for each in folder.iterdir() if each.is_file())
    except OSError as error:
        raise InvalidRequest(
            f"{folder} cannot be read: {error.strerror or error}.",
            hint="The server's user has to be allowed to.",
            param="path",
        ) from error


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    """The files below `root` and their sizes. Raises NotServable for links that leave it."""
    count = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted((*names, *(each for each in folders if _is_link(folder, each)))):
            path = Path(folder, name)
            count += 1
            if count > _MOST_FILES:
                raise NotServable(f"{root} has more than {_MOST_FILES:,} files.")
            if path.is_symlink() and not _stays(path, root):
                raise NotServable(
                    f"{path} is a link to something outside of the folder.",
                    hint="Put the file itself there.",
                )
            if path.is_file():
                yield path.relative_to(root), path.stat().st_size


def _moves_along(link: Path, root: Path) -> bool:
    """Whether a link leads to the same file of `root` wherever that lies."""
    written = os.readlink(link)
    target = Path(os.path.normpath(link.parent / written))
    return not os.path.isabs(written) and target.is_relative_to(root)


def _is_link(folder: str, name: str) -> bool:
    return Path(folder, name).is_symlink()


def _stays(link: Path, root: Path) -> bool:
    """Whether a link leads to within `root`, or from a snapshot of a hub cache to its blobs."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    homes = [root]
    if root.parent.name == "snapshots" and root.parent.parent.name.startswith("models--"):
        repo = root.parent.parent
        homes += [repo / "blobs", repo.parent / "blobs"]
    return any(target.is_relative_to(home.resolve()) for home in homes)
