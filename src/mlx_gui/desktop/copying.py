"""A text on the clipboard, by the program that this desktop has for it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

_SECONDS = 5


class CannotCopy(Exception):
    """One sentence about why."""


def copy(text: str) -> None:
    """Raises CannotCopy."""
    for program in _programs(sys.platform, os.environ):
        if shutil.which(program[0]) is not None:
            try:
                # xclip goes on behind its end, for as long as its text may be asked for.
                subprocess.run(
                    program,
                    input=text.encode(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    timeout=_SECONDS,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise CannotCopy(f"{program[0]} did not copy {text}: {error}") from error
            return
    raise CannotCopy(f"Nothing here copies: install wl-clipboard, xclip or xsel. It is {text}")


def _programs(platform: str, environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    if platform == "darwin":
        return [("pbcopy",)]
    wayland = [("wl-copy",)] if environment.get("WAYLAND_DISPLAY") else []
    return [*wayland, ("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
