"""The file that a container is built from, as far as that can be said without building one."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = (ROOT / "packaging" / "Containerfile").read_text().replace("\\\n", " ").splitlines()


def steps(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in STEPS if line.startswith(f"{name} ")]


def test_whatever_is_copied_is_in_the_repository_and_not_kept_out() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for step in steps("COPY")
        if not step.startswith("--from")
        for source in shlex.split(step)[:-1]
    ]
    assert copied
    assert [each for each in copied if not (ROOT / each).exists()] == []
    assert sorted(f"!{each}" for each in copied) == sorted(
        line for line in kept if line.startswith("!")
    )


def test_it_runs_as_nobody_in_particular_keeps_its_data_and_is_looked_at() -> None:
    (user,) = steps("USER")
    assert user.isdecimal()
    assert int(user) > 0
    assert steps("VOLUME") == ["/data"]
    assert "mlx-gui" in steps("HEALTHCHECK")[0]
    assert steps("ENTRYPOINT") == ['["mlx-gui", "start"]']


def test_what_is_installed_is_pinned_by_digest() -> None:
    installs = [step for step in steps("RUN") if "pip install" in step]
    assert installs
    for step in installs:
        assert "--require-hashes" in step or "--no-index" in step
        assert not re.search(r"pip install(?! --no-cache-dir)", step)
