"""Builds of the interface that have the kit, and contexts that get one in the server's place."""

import mimetypes
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from filelock import FileLock
from playwright.sync_api import BrowserContext, Route

from hatch_build import sources_digest
from mlx_gui.web.static_files import ADMIN_HEADERS
from tests.real.packages import cache

_ROOT = Path(__file__).parents[2]


def kit_of(web: Path) -> Path:
    """What is built of `web`, with the pages for those who work on it; once of the same sources."""
    kept = cache().with_name("kit") / sources_digest(web)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / "built"
                command = ["scripts/npm.sh", "--prefix", str(web), "run", "build", "--"]
                environment = {**os.environ, "MLX_GUI_DEV": "1"}
                subprocess.run(
                    [*command, "--outDir", str(folder)], cwd=_ROOT, env=environment, check=True
                )
                folder.rename(kept)
    return kept


def serve(context: BrowserContext, folder: Path) -> None:
    """Have the files of `folder` stand where the server has its own."""

    def answer(route: Route) -> None:
        file = folder / urlsplit(route.request.url).path.removeprefix("/admin/")
        found = file if file.is_file() else folder / "index.html"
        kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
        headers = {**ADMIN_HEADERS, "content-type": kind}
        route.fulfill(body=found.read_bytes(), headers=headers)

    context.route("**/admin/**", answer)
