"""Repos for the local hub, and downloads as a client of the server sees them."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from huggingface_hub import snapshot_download

from tests.hub.server import HubServer
from tests.support.server import Server
from tests.support.waiting import wait_until

DEADLINE_S = 90.0
MB = 1024 * 1024
RUNNING = ("queued", "checking", "downloading", "verifying")


def repo_folder(folder: Path, *, shards: int = 1, shard_bytes: int = 1024 * 1024) -> Path:
    """A folder that looks like a model, with weights that are noise."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "noise": "x" * 1000}))
    (folder / "README.md").write_text("# A model\n")
    (folder / "modeling_own.py").write_text("raise SystemExit\n")
    names = [f"model-{number:05}-of-{shards:05}.safetensors" for number in range(1, shards + 1)]
    for name in names:
        header = {name: {"dtype": "U8", "shape": [shard_bytes], "data_offsets": [0, shard_bytes]}}
        encoded = json.dumps(header).encode()
        content = struct.pack("<Q", len(encoded)) + encoded + os.urandom(shard_bytes)
        (folder / name).write_bytes(content)
    index = {"metadata": {}, "weight_map": {name: name for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


class Pull:
    """One download, of which every state that was seen is kept."""

    def __init__(self, client: httpx.Client, body: dict[str, Any]) -> None:
        self.client = client
        self.id: str = body["id"]
        self.seen: list[dict[str, Any]] = [body]

    def look(self) -> dict[str, Any]:
        answer = self.client.get(f"/v1/downloads/{self.id}").raise_for_status().json()
        if answer != self.seen[-1]:
            self.seen.append(answer)
        return answer

    def until(self, *states: str, bytes_done: int = 0) -> dict[str, Any]:
        def reached() -> bool:
            now = self.look()
            assert now["state"] in (*RUNNING, *states), now
            return now["state"] in states and now["bytes_done"] >= bytes_done

        wait_until(reached, what=f"the download to be {states}", deadline_s=DEADLINE_S)
        return self.seen[-1]

    def do(self, action: str) -> dict[str, Any]:
        answer = self.client.post(f"/v1/downloads/{self.id}/{action}").raise_for_status().json()
        self.seen.append(answer)
        return answer

    def finish(self) -> None:
        """Seen enough of it under way: the rest comes without any limit."""
        limit(self.client, 0)
        self.until("done")

    def check_progress(self) -> None:
        """What was told was never a lie."""
        for before, now in zip(self.seen, self.seen[1:], strict=False):
            assert before["bytes_done"] <= now["bytes_done"], (before, now)
        for each in self.seen:
            assert each["bytes_total"] == self.seen[0]["bytes_total"] > 0
            assert (each["bytes_done"] == each["bytes_total"]) == (each["state"] == "done"), each


def install(client: httpx.Client, model_id: str, **more: Any) -> Pull:
    """The download of a model that is not here yet."""
    answer = client.post("/v1/models/install", json={"model_id": model_id, **more})
    assert answer.status_code == 202, answer.text
    return Pull(client, answer.json())


def limit(client: httpx.Client, bytes_per_s: int) -> None:
    """All downloads together bring no more a second from now on; 0 is no limit."""
    changed = {"settings": {"download_limit_bytes": bytes_per_s}}
    client.patch("/v1/settings", json=changed).raise_for_status()


def left_behind(cache: Path) -> list[str]:
    """All files of the cache but locks and the tag."""
    return sorted(_files(cache))


def _files(cache: Path) -> Iterator[str]:
    for path in cache.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(cache).as_posix()
        if not name.startswith(".locks/") and name != "CACHEDIR.TAG":
            yield name


def settings_of(folder: Path, hub: HubServer, **more: object) -> dict[str, object]:
    """Those of a server that has nothing but this hub."""
    usual: dict[str, object] = {"model_dirs": folder / "hub", "hub_endpoint": hub.url}
    return {**usual, **more}


def mlx_gui(server: Server, *arguments: str) -> subprocess.Popen[str]:
    """A command that runs against the server, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlx_gui", *arguments, "--data-dir", str(server.data_dir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fetchers(server: Server) -> list[psutil.Process]:
    """The children that download."""
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if "fetch" in each.cmdline()]


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that serving needs."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in (".json", ".safetensors", ".jinja")
    }


def check_whole(cache: Path, model_id: str, source: Path) -> None:
    folder = Path(snapshot_download(model_id, cache_dir=cache, local_files_only=True))
    found = digests(folder)
    assert found == digests(source)
    assert not any(name.endswith((".incomplete", ".journal")) for name in left_behind(cache))
