"""Whether there is a newer mlx-gui: asked of the package index once a day, where that is wanted."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from mlx_gui.config import Config
from mlx_gui.control.notices.news import News, newer_version
from mlx_gui.core.errors import FetchFailed, MlxGuiError
from mlx_gui.core.installation import how_to_upgrade
from mlx_gui.store.errors import StoreError
from mlx_gui.store.updates import IndexAnswer, recall_answer, remember_answer
from mlx_gui.version import __version__

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DAY_S = 86_400.0
_LOOK_S = 600.0
"""Between two looks at the clock, which goes on while a machine sleeps."""

AskIndex = Callable[[Callable[[], bool]], str]
"""The newest version; asks until it is given up. Raises FetchFailed."""


@dataclass(frozen=True, slots=True)
class UpdateState:
    """What is known of newer versions. `asked_at` is Unix time; None before the first question.

    `newest` is what the index has, whether `newer` or not; `problem` why it did not say the last
    time. `how` is a command, or a sentence.
    """

    asked_at: float | None
    newest: str | None
    newer: bool
    how: str
    problem: str | None


def asks_for_updates(config: Config) -> bool:
    """Whether anybody may be asked."""
    return config.check_updates and not config.offline


def ask_index(given_up: Callable[[], bool]) -> str:
    """By pip."""
    from mlx_gui.package_index import newest_version  # no start waits for it

    return str(newest_version(given_up=given_up))


class Updates:
    """The one who asks. A try counts as asked, whatever became of it, and across restarts.

    `tell` hears once a run of each newer version, `changed` that the state is another.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        wanted: Callable[[], bool],
        tell: Callable[[News], None],
        changed: Callable[[], None],
        ask: AskIndex = ask_index,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data_dir = data_dir
        self._wanted = wanted
        self._tell = tell
        self._changed = changed
        self._ask = ask
        self._clock = clock
        self._answer = recall_answer(data_dir)
        self._told = ""
        self._looking = asyncio.Lock()

    @property
    def state(self) -> UpdateState | None:
        """None where nobody may be asked."""
        if not self._wanted():
            return None
        from mlx_gui.package_index import read_version  # no start waits for it

        answer, newest = self._answer, read_version(self._answer.newest)
        installed = read_version(__version__)
        return UpdateState(
            asked_at=answer.asked_at or None,
            newest=None if newest is None else str(newest),
            newer=newest is not None and installed is not None and newest > installed,
            how=how_to_upgrade(),
            problem=answer.problem or None,
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Ask, if that is wanted and due, and tell of what is newer. Whoever is cancelled asks no
        longer."""
        async with self._looking:
            if self._wanted() and self._due():
                await self._find_out()
            state = self.state
            if state is not None and state.newer and state.newest and state.newest != self._told:
                self._told = state.newest
                self._tell(newer_version(state.newest, installed=__version__, how=state.how))

    def _due(self) -> bool:
        """A time that is still to come was noted by a clock that was wrong."""
        return not 0 <= self._clock() - self._answer.asked_at < DAY_S

    async def _find_out(self) -> None:
        before = self._answer.newest
        # Whatever ends the server meanwhile, the next one does not ask again at once.
        await self._keep(IndexAnswer(self._clock(), before))
        try:
            newest, problem = await self._asked(), ""
        except FetchFailed as error:
            newest, problem = before, error.message
            log.warning("package_index_not_asked", reason=error.message, hint=error.hint)
        await self._keep(IndexAnswer(self._answer.asked_at, newest, problem))

    async def _asked(self) -> str:
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._ask, given_up.is_set)
        finally:
            given_up.set()

    async def _keep(self, answer: IndexAnswer) -> None:
        self._answer = answer
        self._changed()
        try:
            await asyncio.to_thread(remember_answer, self._data_dir, answer)
        except (StoreError, MlxGuiError) as error:
            log.error("index_answer_not_kept", reason=error.message)
