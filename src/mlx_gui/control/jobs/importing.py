"""The job that imports a model from somewhere on this machine."""

import asyncio
import errno
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from mlx_gui.catalog.importing import (
    Importable,
    ImportMode,
    check_place,
    clear_work,
    copied,
    examine,
    is_placed,
    put_in_place,
    work_folder,
)
from mlx_gui.control.jobs.base import JobContext
from mlx_gui.control.jobs.starter import starter_folder
from mlx_gui.control.jobs.steps import in_thread, to_its_end, undone_by
from mlx_gui.store.errors import named_errors


@dataclass(frozen=True, slots=True)
class ImportModel:
    """Links, copies or moves the folder at `path`, or converts the GGUF file there.

    The model appears whole, at its name below the folder for models of our own.
    """

    name: ClassVar[str] = "import"
    unit: ClassVar[str] = "bytes"
    goes_on: ClassVar[bool] = False

    path: str
    model_id: str
    mode: ImportMode
    form: Literal["folder", "gguf"]

    @property
    def title(self) -> str:
        return f"Import {self.model_id}"

    @property
    def installs(self) -> str:
        return self.model_id

    async def run(self, context: JobContext) -> None:
        """Where an earlier run had put it into its place, only what follows is done."""
        root = starter_folder(context.tools.config())
        target = root / self.model_id
        work = work_folder(target, root)
        with named_errors(root):
            if not await asyncio.to_thread(is_placed, target, work=work):
                async with undone_by(lambda: clear_work(work)):
                    await self._put(context, root, work)
            if self.mode == "move" and self.form == "folder":
                await asyncio.to_thread(_remove_twin, Path(self.path), target)
        await context.tools.installed(self.model_id)
        await asyncio.to_thread(clear_work, work)

    async def discard(self, context: JobContext) -> None:
        root = starter_folder(context.tools.config())
        await asyncio.to_thread(clear_work, work_folder(root / self.model_id, root))

    async def _put(self, context: JobContext, root: Path, work: Path) -> None:
        target = root / self.model_id
        source = await asyncio.to_thread(examine, self.path)
        reserve_bytes = context.tools.config().disk_reserve_bytes
        await asyncio.to_thread(
            check_place, source, target, root, mode=self.mode, reserve_bytes=reserve_bytes
        )
        await in_thread(clear_work, work)
        if source.form == "gguf":
            work.parent.mkdir(parents=True, exist_ok=True)
            await context.errand("convert-gguf", {"source": str(source.path), "out": str(work)})
        elif self.mode == "link":
            await in_thread(_link, source.path, work)
        elif self.mode == "move" and await to_its_end(
            asyncio.to_thread(_moved, source.path, target, work)
        ):
            return
        else:
            await self._copy(context, source, work)
        await to_its_end(asyncio.to_thread(put_in_place, work, target, work=work))

    async def _copy(self, context: JobContext, source: Importable, work: Path) -> None:
        total_bytes = source.bytes
        copying = copied(source, work)
        context.report("copy", 0, total_bytes)
        while (done_bytes := await in_thread(next, copying, None)) is not None:
            context.report("copy", done_bytes, total_bytes)


def _link(source: Path, work: Path) -> None:
    work.parent.mkdir(parents=True, exist_ok=True)
    work.symlink_to(source)


def _moved(source: Path, target: Path, work: Path) -> bool:
    """Whether the folder could be moved in one step, which it can within one disk."""
    try:
        put_in_place(source, target, work=work)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def _remove_twin(source: Path, target: Path) -> None:
    """Removes the folder that was copied to `target`, if all of it is there."""
    if not source.is_dir() or source.resolve() == target.resolve():
        return
    there = _sizes(target)
    if _sizes(source).items() <= there.items():
        shutil.rmtree(source)


def _sizes(folder: Path) -> dict[Path, int]:
    return {
        path.relative_to(folder): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
