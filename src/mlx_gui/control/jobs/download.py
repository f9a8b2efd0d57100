"""The job that downloads a model from the hub into the Hugging Face cache."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from mlx_gui.catalog.hub_cache import CachedRepo, digest_of
from mlx_gui.catalog.needed import needed_files
from mlx_gui.catalog.ways import by_xet, check_ways
from mlx_gui.config import Config, hub_cache
from mlx_gui.control.jobs.base import JobContext, Resting
from mlx_gui.control.jobs.fetching import Speed, fetch
from mlx_gui.control.jobs.steps import in_thread, to_its_end
from mlx_gui.core.errors import Conflict, DiskFull, FetchFailed, Offline
from mlx_gui.core.fetching import FetchFile, FetchOrder, FetchState
from mlx_gui.core.hub import RepoFile
from mlx_gui.core.job import Job
from mlx_gui.fetch.part import disk, is_verified, kept_bytes
from mlx_gui.version import __version__

_PATIENCE = 4
"""As many times as long as a connection may bring nothing, nothing at all may come."""

Stage = Literal["checking", "downloading", "verifying"]
_STAGES: dict[str, Stage] = {"wait": "checking", "download": "downloading", "verify": "verifying"}


class DownloadDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a download says besides its bytes. `note` is why nothing comes, while nothing does."""

    files_done: int = 0
    files_total: int = 0
    current_file: str | None = None
    bytes_per_s: int | None = None
    eta_s: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """Fetches what serving needs of one commit of a repo, verifies it, and has it be listed.

    `revision` is what was asked for, `commit` what that was then. `files` are patterns.
    """

    name: ClassVar[str] = "download"
    unit: ClassVar[str] = "bytes"
    goes_on: ClassVar[bool] = True

    model_id: str
    revision: str = "main"
    commit: str = ""
    files: tuple[str, ...] = ()
    total_bytes: int = 0
    files_total: int = 0

    @property
    def title(self) -> str:
        return f"Download {self.model_id}"

    @property
    def installs(self) -> str:
        return self.model_id

    async def run(self, context: JobContext) -> None:
        """What an earlier run has brought is not fetched again."""
        told = _Told(context, self)
        try:
            await self._bring(context, context.tools.config(), told)
        except DiskFull as full:
            raise Resting(full) from full
        except Offline as offline:
            raise Resting(offline, passes=True) from offline
        except FetchFailed as failure:
            if not failure.retryable:
                raise
            raise Resting(failure, passes=True) from failure
        finally:
            told.rest()

    async def _bring(self, context: JobContext, config: Config, told: "_Told") -> None:
        tools = context.tools
        told.say("checking")
        if config.offline:
            raise Offline(
                f"{self.model_id} cannot be downloaded, for the server is offline.",
                hint="Switch the setting `offline` off; the download goes on then.",
            )
        tree = await tools.hub.tree(self.model_id, revision=self.commit)
        needed = needed_files(tree, self.files)
        check_ways(tree, needed, config.xet)
        repo = self._repo(config)
        told.survey = survey = await in_thread(_survey, repo, self.commit, needed)
        async with tools.room.promised(repo.folder, survey.left_bytes) as promise:

            def tell(state: FetchState) -> None:
                told.fetching(state)
                promise.left_bytes = max(0, survey.left_bytes - state.came_bytes)

            if survey.missing:
                order = await asyncio.to_thread(self._order, context, repo, survey.missing)
                environment = tools.worker_settings().environment
                await fetch(order, environment, tell, tools.bandwidth)
        told.say("verifying")
        await to_its_end(self._present(context, repo, needed))

    async def _present(
        self, context: JobContext, repo: CachedRepo, needed: Iterable[RepoFile]
    ) -> None:
        await asyncio.to_thread(self._publish, repo, needed)
        await context.tools.installed(self.model_id)

    async def discard(self, context: JobContext) -> None:
        repo = self._repo(context.tools.config())
        await asyncio.to_thread(repo.discard, self.commit)

    def _repo(self, config: Config) -> CachedRepo:
        return CachedRepo(download_folder(config), self.model_id)

    def _publish(self, repo: CachedRepo, needed: Iterable[RepoFile]) -> None:
        with disk(str(repo.folder / "snapshots")):
            repo.publish(self.commit, needed, revision=self.revision)

    def _order(
        self, context: JobContext, repo: CachedRepo, missing: Iterable[RepoFile]
    ) -> FetchOrder:
        """In a thread: the token may lie in a file."""
        config, hub = context.tools.config(), context.tools.hub

        def url(path: str) -> str:
            return hub.resolve_url(self.model_id, self.commit, path)

        def ordered(file: RepoFile) -> FetchFile:
            made = fetch_file(repo, file, url(file.path))
            if not by_xet(file, config.xet):
                return made
            return msgspec.structs.replace(made, xet_hash=file.xet_hash)

        return FetchOrder(
            files=tuple(map(ordered, missing)),
            endpoint=url(""),
            token=hub.token(),
            lock=str(repo.lock()),
            agent=f"mlx-gui/{__version__}",
            connections=config.download_connections,
            bytes_per_s=config.download_limit_bytes,
            stall_s=config.download_stall_s,
            patience_s=_PATIENCE * config.download_stall_s,
            xet_access_url=hub.xet_access_url(self.model_id, self.commit),
        )


def detail_of(job: Job) -> DownloadDetail:
    """What the download said last besides its bytes."""
    if not job.detail:
        return DownloadDetail()
    return msgspec.json.decode(job.detail, type=DownloadDetail)


def download_folder(config: Config) -> Path:
    """The Hugging Face cache if it is searched for models, else the first folder that is.

    Raises Conflict.
    """
    folders = config.model_dirs
    if not folders:
        raise Conflict(
            "model_dirs names no folder, so a model has no place to go.",
            hint="Name one in model_dirs.",
        )
    cache = hub_cache(os.environ)
    return cache if cache in folders else folders[0]


def fetch_file(repo: CachedRepo, file: RepoFile, url: str) -> FetchFile:
    """What the child is told of one file."""
    digest = digest_of(file)
    return FetchFile(
        name=file.path,
        url=url,
        target=str(repo.blob(digest)),
        part=str(repo.part(digest)),
        journal=str(repo.journal(digest)),
        lock=str(repo.lock(digest)),
        size_bytes=file.size_bytes,
        digest=digest,
        algorithm="git-sha1" if file.sha256 is None else "sha256",
    )


@dataclass(frozen=True, slots=True)
class _Survey:
    """What of a download is there, each blob counted once; `missing` is to be seen to."""

    missing: tuple[RepoFile, ...]
    there_bytes: int
    left_bytes: int
    files_there: int
    files_total: int


def _survey(repo: CachedRepo, commit: str, needed: Iterable[RepoFile]) -> _Survey:
    """Makes the folders too, and notes what will be brought. Raises DiskFull, Conflict."""
    blobs = {digest_of(file): file for file in needed}
    with disk(str(repo.folder / "blobs")):
        if repo.cache == hub_cache(os.environ):
            # Its place is known, and the first model makes it.
            repo.cache.mkdir(parents=True, exist_ok=True)
        repo.prepare()
        # What is there and was not verified by us is looked at by the child, and not fetched.
        missing = {
            digest: file
            for digest, file in blobs.items()
            if not is_verified(fetch_file(repo, file, ""))
        }
        absent = {
            digest: file
            for digest, file in missing.items()
            if not repo.has(digest, file.size_bytes)
        }
        repo.claim(commit, absent)
    total_bytes = sum(file.size_bytes for file in blobs.values())
    kept = sum(kept_bytes(fetch_file(repo, file, "")) for file in absent.values())
    return _Survey(
        tuple(missing.values()),
        total_bytes - sum(file.size_bytes for file in missing.values()),
        sum(file.size_bytes for file in absent.values()) - kept,
        len(blobs) - len(missing),
        len(blobs),
    )


class _Told:
    """What is said of one run: bytes only ever grow, and the last one is that all is verified."""

    def __init__(self, context: JobContext, download: Download) -> None:
        self._context = context
        self._total_bytes = download.total_bytes
        self._done_bytes = context.job.done
        self._speed = Speed()
        self._detail = DownloadDetail(
            files_done=detail_of(context.job).files_done, files_total=download.files_total
        )
        self._stage: Stage = "checking"
        self.survey: _Survey | None = None

    def say(self, stage: Stage) -> None:
        self._report(stage, self._detail)

    def rest(self) -> None:
        """Nothing comes any more, so that a speed of before is none of the next run."""
        self._detail = DownloadDetail(
            files_done=self._detail.files_done, files_total=self._detail.files_total
        )
        self._report(self._stage, self._detail)

    def fetching(self, state: FetchState) -> None:
        """What the child says."""
        survey = self.survey
        assert survey is not None
        self._done_bytes = max(
            self._done_bytes,
            min(survey.there_bytes + state.done_bytes, self._total_bytes - 1),
        )
        self._speed.note(state.came_bytes)
        rate = self._speed.bytes_per_s
        left_s = self._speed.left_s(self._total_bytes - self._done_bytes)
        self._detail = DownloadDetail(
            files_done=survey.files_there + state.files_done,
            files_total=survey.files_total,
            current_file=state.current or None,
            bytes_per_s=None if rate is None else round(rate),
            eta_s=None if left_s is None else round(left_s, 1),
            note=state.note or None,
        )
        self._report(_STAGES[state.stage], self._detail)

    def _report(self, stage: Stage, detail: DownloadDetail) -> None:
        self._stage = stage
        encoded = msgspec.json.encode(detail).decode()
        self._context.report(stage, self._done_bytes, self._total_bytes, detail=encoded)
