"""The job that measures how fast a model reads and writes here."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from mlx_gui.control.jobs.base import JobContext
from mlx_gui.core.ask import Ask
from mlx_gui.core.benchmark import Benchmark, Figures, Timed, Trial, figures_of
from mlx_gui.core.errors import ContextTooLong, WorkerFailed, from_info
from mlx_gui.core.generation import (
    Delta,
    Event,
    Failed,
    GenerateRequest,
    Prefill,
    Sampling,
    Tokenized,
    TokenizeRequest,
    Usage,
    WorkerRequest,
)
from mlx_gui.core.model import Model
from mlx_gui.store.benchmarks import keep_benchmark
from mlx_gui.version import __version__

_WARM = Trial(prompt_tokens=16, answer_tokens=2, at_once=1)
_GREEDY = Sampling(temperature=0.0)
_BEHIND_EVERYBODY = -1
"""The priority of what nobody waits for."""
_WORDS = (
    *("the", "ship", "sails", "over", "a", "calm", "sea", "while", "nine", "old", "men", "mend"),
    *("their", "nets", "and", "sing", "of", "winds", "that", "came", "out", "north", "when"),
    *("they", "were", "young", "bread", "was", "dear", "in", "every", "town", "along", "coast"),
)


@dataclass(frozen=True, slots=True)
class MeasureSpeed:
    """Asks the model `model_id` what `trials` say, and keeps what came of it.

    Prompts are words in an order that no other prompt has, so that no cache knows them; answers go
    on whatever the model says. Requests of others are answered meanwhile, and are in the figures.
    """

    name: ClassVar[str] = "benchmark"
    unit: ClassVar[str] = "tokens"
    goes_on: ClassVar[bool] = False

    model_id: str
    trials: tuple[Trial, ...]

    @property
    def title(self) -> str:
        return f"Measure the speed of {self.model_id}"

    @property
    def installs(self) -> None:
        return None

    async def run(self, context: JobContext) -> None:
        """It begins anew where an earlier run was interrupted."""
        tools = context.tools
        model = await tools.model(self.model_id)
        asking = _Asking(context, model, total_tokens=sum(trial.tokens for trial in self.trials))
        # So that neither the load nor what is done once for a model is measured.
        await asking.warm()
        figures = [await asking.figures(trial) for trial in self.trials]
        benchmark = Benchmark(
            id=f"bench-{secrets.token_hex(8)}",
            model=model.id,
            version=__version__,
            measured_at=time.time(),
            context=tools.loaded_context(model.id),
            figures=tuple(figures),
        )
        await tools.store.write(partial(keep_benchmark, benchmark=benchmark))

    async def discard(self, context: JobContext) -> None:
        """Nothing is left of it."""


class _Asking:
    """Asks one model, and reports the tokens that it reads and writes."""

    def __init__(self, context: JobContext, model: Model, *, total_tokens: int) -> None:
        self._context = context
        self._model = model
        self._total_tokens = total_tokens
        self._before_tokens = 0
        """Those of the trials that are over."""

    async def warm(self) -> None:
        """Have the model do once what it does only once."""
        await self._answers(_WARM, lambda done_tokens: None)

    async def figures(self, trial: Trial) -> Figures:
        """What comes of `trial`; that it does not fit into the context is a figure as well."""
        stage = f"{trial.prompt_tokens} tokens, {trial.at_once} at once"

        def told(done_tokens: int) -> None:
            done = min(self._before_tokens + done_tokens, self._total_tokens)
            self._context.report(stage, done, self._total_tokens)

        try:
            answers = await self._answers(trial, told)
        except ContextTooLong as error:
            return Figures(trial, problem=error.message)
        finally:
            self._before_tokens += trial.tokens
        return figures_of(trial, answers)

    async def _answers(self, trial: Trial, told: Callable[[int], None]) -> list[Timed]:
        """The answers to all requests of `trial`, which are asked at once.

        `told` hears of all their tokens so far. Raises what the model answers in place of one.
        """
        prompts = [await self._prompt(trial.prompt_tokens) for _ in range(trial.at_once)]
        done_tokens = [0] * trial.at_once

        def progressed(place: int, tokens: int) -> None:
            done_tokens[place] = tokens
            told(sum(done_tokens))

        async def ask(place: int, ids: tuple[int, ...]) -> Timed:
            return await self._answer(
                ids, trial.answer_tokens, lambda tokens: progressed(place, tokens)
            )

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(place, ids)) for place, ids in enumerate(prompts)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _answer(
        self, ids: tuple[int, ...], answer_tokens: int, progressed: Callable[[int], None]
    ) -> Timed:
        wanted = GenerateRequest(
            prompt=ids, max_tokens=answer_tokens, sampling=_GREEDY, ignore_eos=True
        )
        asked_s = time.perf_counter()
        first_s: float | None = None
        written_tokens = 0
        async for event in self._events(wanted):
            match event:
                case Prefill():
                    progressed(event.done)
                case Delta():
                    first_s = first_s or time.perf_counter()
                    written_tokens += event.token_count
                    progressed(len(ids) + written_tokens)
                case Usage():
                    ended_s = time.perf_counter()
                    return Timed(
                        asked_s,
                        first_s or ended_s,
                        ended_s,
                        prompt_tokens=event.prompt_tokens,
                        tokens=event.completion_tokens,
                    )
                case _:
                    pass
        raise WorkerFailed("The model ended without an answer.")

    async def _prompt(self, tokens: int) -> tuple[int, ...]:
        """So many token ids of words in any order: each word has one at least."""
        text = " ".join(random.choices(_WORDS, k=tokens))
        question = TokenizeRequest(GenerateRequest(prompt=text))
        async for event in self._events(question, credits=0):
            if isinstance(event, Tokenized):
                return event.ids[:tokens]
        raise WorkerFailed("The model ended without an answer.")

    async def _events(self, request: WorkerRequest, *, credits: int = 1) -> AsyncGenerator[Event]:
        """What the model says to `request`. Raises what it says in place of an answer."""
        ask = Ask(
            f"bench-{secrets.token_hex(8)}",
            request,
            "completion",
            endpoint=MeasureSpeed.name,
            client=f"mlx-gui/{__version__}",
            priority=_BEHIND_EVERYBODY,
            credits=credits,
        )
        async with aclosing(self._context.tools.events(self._model, ask)) as events:
            async for event in events:
                if isinstance(event, Failed):
                    raise from_info(event.error)
                yield event
