"""Downloads as people ask for them: which there are, and what a wish for a model becomes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.hub_cache import CachedRepo, digest_of
from mlx_gui.catalog.needed import CONFIG, INDEX_SUFFIX, check_config, check_index, needed_files
from mlx_gui.catalog.ways import check_ways
from mlx_gui.config import Config
from mlx_gui.control.jobs.download import Download, download_folder
from mlx_gui.control.jobs.owner import Jobs
from mlx_gui.core.errors import (
    Conflict,
    HubAnswer,
    InvalidRequest,
    MlxGuiError,
    ModelNotFound,
    NotFound,
    NotServable,
    Offline,
)
from mlx_gui.core.hub import (
    DEFAULT_REVISION,
    HubQuery,
    RepoFile,
    RepoTree,
    checked_repo_id,
    checked_revision,
    is_content_of,
)
from mlx_gui.core.job import Job
from mlx_gui.core.model import Kind, Model
from mlx_gui.version import __version__

_LONGEST_PATTERN = 256
_MOST_PATTERNS = 64
_SILENCE_S = 10.0


class Downloads:
    """Called on the event loop. `find` gives the installed model of an id, or raises ModelNotFound.

    `supported` names the architectures that the installed libraries know, by kind.
    """

    def __init__(
        self,
        jobs: Jobs,
        hub: Hub,
        *,
        config: Callable[[], Config],
        find: Callable[[str], Model],
        supported: Callable[[], Mapping[Kind, tuple[str, ...]]],
    ) -> None:
        self._jobs = jobs
        self._hub = hub
        self._config = config
        self._find = find
        self._supported = supported
        self._beginning = asyncio.Lock()

    def all(self) -> list[Job]:
        """The newest first."""
        return [job for job in self._jobs.newest_first() if job.kind == Download.name]

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        try:
            job = self._jobs.get(job_id)
        except NotFound:
            job = None
        if job is None or job.kind != Download.name:
            raise NotFound(
                f"There is no download '{job_id}'.",
                hint="`GET /v1/downloads` and `mlx-gui downloads` show those that there are.",
            )
        return job

    async def install(
        self, model_id: str, *, revision: str | None = None, files: Sequence[str] = ()
    ) -> Job | Model:
        """The download that brings the model, or the model where it is here already.

        Raises InvalidRequest, Offline, NotServable and what a hub may answer, Conflict where
        another revision of it is under way, and what `Jobs.start` raises.
        """
        _check(model_id, revision, files)
        wanted = revision or DEFAULT_REVISION
        if found := await self._known(model_id, wanted, tuple(files), exact=revision is not None):
            return found
        if self._config().offline:
            raise Offline(
                f"{model_id} is not installed, and the server is offline.",
                hint="Switch the setting `offline` off.",
            )
        tree = await self._hub.tree(model_id, revision=wanted)
        try:
            needed = needed_files(tree, files)
            check_ways(tree, needed, self._config().xet)
            await self._look_inside(tree, needed)
        except NotServable as refused:
            raise await self._with_conversion(tree.model_id, refused) from refused
        async with self._beginning:
            # It may have another name than it was asked for by, and others ask meanwhile.
            found = await self._known(tree.model_id, wanted, tuple(files), exact=True)
            return found or await self._begin(tree, wanted, tuple(files), needed)

    async def _begin(
        self, tree: RepoTree, revision: str, files: tuple[str, ...], needed: Sequence[RepoFile]
    ) -> Job | Model:
        repo = CachedRepo(download_folder(self._config()), tree.model_id)
        if await asyncio.to_thread(repo.complete, tree.revision, needed):
            model = self._listed(tree.model_id)
            if model is not None and model.path == str(repo.snapshot(tree.revision)):
                return model
        blobs = {digest_of(file): file.size_bytes for file in needed}
        download = Download(
            tree.model_id, revision, tree.revision, files, sum(blobs.values()), len(blobs)
        )
        return await self._jobs.start(download)

    async def _known(
        self, model_id: str, revision: str, files: tuple[str, ...], *, exact: bool
    ) -> Job | Model | None:
        """What there is of it without asking the hub; `exact` is one certain revision."""
        job = self._unfinished(model_id)
        if job is not None:
            asked = msgspec.json.decode(job.arguments, type=Download)
            if (asked.revision, asked.files) != (revision, files):
                raise Conflict(
                    f"There is a download of {asked.model_id} already, as {asked.revision}"
                    f"{f' with {len(asked.files)} chosen files' if asked.files else ''}: it is "
                    f"{job.state}.",
                    hint=f"Wait for the download {job.id}, or cancel it first.",
                    details={"download": job.id},
                )
            if (job := await self._jobs.go_on(job.id)) is not None:
                return job
        return None if exact or files else self._installed(model_id)

    def _unfinished(self, model_id: str) -> Job | None:
        """The download of this model that has not come to its end, or that may be tried again."""
        for job in self.all():
            if job.state not in ("done", "cancelled"):
                asked = msgspec.json.decode(job.arguments, type=Download)
                if asked.model_id.casefold() == model_id.casefold():
                    return job
        return None

    def _installed(self, model_id: str) -> Model | None:
        """The model of that id, whole as far as anybody can tell without the hub."""
        model = self._listed(model_id)
        return model if model is not None and model.problem is None else None

    def _listed(self, model_id: str) -> Model | None:
        try:
            model = self._find(model_id)
        except ModelNotFound:
            return None
        return model if model.id == model_id else None

    async def _look_inside(self, tree: RepoTree, needed: Sequence[RepoFile]) -> None:
        """Raises NotServable for what the small files say against it, HubAnswer for other ones."""
        small = [file for file in needed if file.path == CONFIG or _is_index(file)]
        contents = await asyncio.to_thread(self._read, tree, small)
        for file, content in zip(small, contents, strict=True):
            if not is_content_of(file, content):
                raise HubAnswer(
                    f"{tree.model_id} came with another {file.path} than the hub's list of files "
                    "names.",
                    hint="Something between here and the hub changes what it says; a proxy or a "
                    "sign-in page may answer in its place.",
                )
            if _is_index(file):
                check_index(tree, file, content)
            else:
                check_config(tree, content, supported=self._supported())

    async def _with_conversion(self, model_id: str, refused: NotServable) -> NotServable:
        """The same, with the repo that has the model for MLX where the hub names one."""
        query = HubQuery(tags=("mlx", f"base_model:{model_id}"), sort="downloads", limit=1)
        try:
            page, _ = await self._hub.search(query)
        except MlxGuiError:
            # Whether there is one changes nothing about the refusal.
            return refused
        if not page.models:
            return refused
        converted = page.models[0].id
        return NotServable(
            refused.message,
            hint=f"{converted} has it for MLX: `mlx-gui pull {converted}`.",
            details={**refused.details, "converted": converted},
        )

    def _read(self, tree: RepoTree, files: Sequence[RepoFile]) -> list[bytes]:
        """In a thread: the token may lie in a file."""
        # It takes its time, and most servers that start are asked for no download.
        from mlx_gui.fetch.small import read_small

        def url(path: str) -> str:
            return self._hub.resolve_url(tree.model_id, tree.revision, path)

        return read_small(
            [url(file.path) for file in files],
            endpoint=url(""),
            token=self._hub.token(),
            agent=f"mlx-gui/{__version__}",
            silence_s=_SILENCE_S,
        )

    async def pause(self, job_id: str) -> Job:
        """The download, which rests. Raises NotFound, Conflict."""
        return await self._jobs.pause(self.get(job_id).id)

    async def resume(self, job_id: str) -> Job:
        """The download, which goes on, also after it failed. Raises NotFound, Conflict."""
        return await self._jobs.resume(self.get(job_id).id)

    async def cancel(self, job_id: str, *, keep_partial: bool) -> Job:
        """The download, which is over; one that was over before is forgotten.

        With `keep_partial` what has come stays, and a later download of the same goes on with it.
        """
        job = self.get(job_id)
        if job.ended:
            await self._jobs.remove(job.id, leave=keep_partial)
            return job
        return await self._jobs.cancel(job.id, leave=keep_partial)

    async def order(self, ids: Sequence[str]) -> list[Job]:
        """All downloads; those named have their turn in this order. Raises NotFound, Conflict."""
        await self._jobs.order([self.get(each).id for each in ids])
        return [job for job in self._jobs.by_turn() if job.kind == Download.name]


def _check(model_id: str, revision: str | None, files: Sequence[str]) -> None:
    checked_repo_id(model_id)
    if revision is not None:
        checked_revision(revision)
    if len(files) > _MOST_PATTERNS:
        raise InvalidRequest(
            f"{len(files)} patterns of files are too many.",
            hint=f"{_MOST_PATTERNS} are taken.",
            param="files",
        )
    for pattern in files:
        if not pattern or len(pattern) > _LONGEST_PATTERN or not pattern.isprintable():
            raise InvalidRequest(
                f"{pattern[:_LONGEST_PATTERN]!r} is no pattern of file names.",
                hint="A pattern is like `*.gguf`.",
                param="files",
            )


def _is_index(file: RepoFile) -> bool:
    return PurePosixPath(file.path).name.endswith(INDEX_SUFFIX)
