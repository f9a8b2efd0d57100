"""What macOS is told of the app, and the commands that sign, notarise and pack it.

python -m scripts.bundle.mac [--identity NAME] [--profile NAME] [--dry-run]
"""

import argparse
import plistlib
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlx_gui.version import __version__
from scripts.bundle.contents import NAME, ROOT

IDENTIFIER = "io.github.mlx-gui"
APP = ROOT / "dist" / f"{NAME}.app"
DISK_IMAGE = ROOT / "dist" / f"{NAME}-{__version__}.dmg"
ENTITLEMENTS = ROOT / "packaging" / "macos" / "entitlements.plist"
MINIMUM = "14.0"
AD_HOC = "-"
"""The identity of nobody: runs on the machine where it was signed."""

_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_MICROPHONE = (
    "What you say is written down by a model on this Mac. The sound does not leave it, and is "
    "recorded only while you hold the button for it."
)


def info_plist() -> dict[str, Any]:
    """What PyInstaller does not know by itself."""
    return {
        "CFBundleDisplayName": NAME,
        "CFBundleShortVersionString": __version__,
        "CFBundleVersion": __version__,
        "LSMinimumSystemVersion": MINIMUM,
        "LSArchitecturePriority": ["arm64"],
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "NSHighResolutionCapable": True,
        "NSMicrophoneUsageDescription": _MICROPHONE,
        # The interface is fetched from this machine, by plain HTTP.
        "NSAppTransportSecurity": {"NSAllowsLocalNetworking": True},
        "CFBundleURLTypes": [
            {
                "CFBundleURLName": IDENTIFIER,
                "CFBundleTypeRole": "Viewer",
                "CFBundleURLSchemes": [NAME],
            }
        ],
    }


def entitlements() -> dict[str, bool]:
    """What a hardened Python with MLX needs; `entitlements.plist` holds the same."""
    loaded: dict[str, bool] = plistlib.loads(ENTITLEMENTS.read_bytes())
    return loaded


def steps(app: Path, files: Iterable[Path], *, identity: str, profile: str) -> list[list[str]]:
    """The commands in their order: what lies inside is signed before what it lies in.

    `files` are what `signable` finds in it. Without a `profile` of notarytool's keychain nothing is
    sent to Apple, which an app that nobody has signed could not be anyway.
    """
    inside = sorted(files, key=lambda file: (-len(file.parts), str(file)))
    commands = [_sign(file, identity, app=app) for file in inside]
    commands.append(_sign(app, identity, app=app))
    commands.append(["codesign", "--verify", "--deep", "--strict", "--verbose=2", str(app)])
    if profile:
        archive = app.with_suffix(".zip")
        commands.append(["ditto", "-c", "-k", "--keepParent", str(app), str(archive)])
        commands += _notarised(archive, profile)
        commands.append(["xcrun", "stapler", "staple", str(app)])
    commands += _packed(app)
    if profile:
        commands.append([*_codesign(identity), str(DISK_IMAGE)])
        commands += _notarised(DISK_IMAGE, profile)
        commands.append(["xcrun", "stapler", "staple", str(DISK_IMAGE)])
        commands.append(["spctl", "--assess", "--type", "execute", "--verbose=2", str(app)])
    return commands


def signable(app: Path) -> Iterator[Path]:
    """The Mach-O files and the frameworks in it, without the links to them."""
    for path in sorted(app.rglob("*")):
        if path.is_symlink():
            continue
        if path.is_dir():
            if path.suffix == ".framework":
                yield path
            continue
        with path.open("rb") as opened:
            if opened.read(4) in _MACH_O:
                yield path


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Sign, notarise and pack the app.")
    parser.add_argument("--identity", default=AD_HOC, help="of a Developer ID; by default nobody's")
    parser.add_argument("--profile", default="", help="of notarytool; without, nothing is sent")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    asked = parser.parse_args(arguments)
    if asked.profile and asked.identity == AD_HOC:
        parser.error("Apple notarises only what is signed: --profile needs --identity.")
    if not asked.dry_run and not APP.is_dir():
        parser.error(f"{APP} is not there. Run: make bundle, on a Mac")
    code = list(signable(APP)) if APP.is_dir() else [APP / "Contents" / "MacOS" / NAME]
    for command in steps(APP, code, identity=asked.identity, profile=asked.profile):
        print("+", shlex.join(command), flush=True)
        if not asked.dry_run:
            subprocess.run(command, check=True)
    return 0


def _codesign(identity: str) -> list[str]:
    # Apple's clock is asked for what is notarised; nobody's signature has none.
    stamp = "--timestamp=none" if identity == AD_HOC else "--timestamp"
    return ["codesign", "--force", stamp, "--sign", identity]


def _sign(file: Path, identity: str, *, app: Path) -> list[str]:
    """A process has the entitlements of its executable; a library has none of its own."""
    entitled = file == app or file.parent == app / "Contents" / "MacOS"
    allowed = ["--entitlements", str(ENTITLEMENTS)] if entitled else []
    return [*_codesign(identity), "--options", "runtime", *allowed, str(file)]


def _notarised(file: Path, profile: str) -> list[list[str]]:
    return [
        ["xcrun", "notarytool", "submit", str(file), "--keychain-profile", profile, "--wait"],
    ]


def _packed(app: Path) -> list[list[str]]:
    """A disk image in which the app lies beside a link to where it is to be dragged."""
    stage = app.parent / "dmg"
    return [
        ["rm", "-rf", str(stage)],
        ["mkdir", "-p", str(stage)],
        ["ditto", str(app), str(stage / app.name)],
        ["ln", "-s", "/Applications", str(stage / "Applications")],
        [
            *("hdiutil", "create", "-volname", NAME, "-srcfolder", str(stage)),
            *("-ov", "-format", "UDZO", str(DISK_IMAGE)),
        ],
        ["rm", "-rf", str(stage)],
    ]


if __name__ == "__main__":
    sys.exit(main())
