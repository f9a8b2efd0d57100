"""The run loop over fake effects: every request is answered once, leased models stay."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mlx_gui.bus import Mark
from mlx_gui.control.plans.wish import Standing
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.core.errors import (
    Conflict,
    LoadFailed,
    MlxGuiError,
    ModelNotFound,
    ModelTooLarge,
    QueueFull,
    ShuttingDown,
)
from mlx_gui.core.generation import (
    Usage,
)
from tests.unit.control.fakes import ScriptedWorker, asked, error_of, model
from tests.unit.control.stage import DEADLINE_S, Stage, play, terminal


def test_a_request_loads_its_model_and_a_second_one_joins_the_load() -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.loop.submit(model("a"), asked("1"))
        second = await stage.loop.submit(model("a"), asked("2"))
        assert len(stage.workers) == 1
        stage.worker("a").become_ready()
        await stage.settle()
        assert set(stage.worker("a").running) == {"1", "2"}
        for request_id in ("1", "2"):
            stage.worker("a").finish(request_id)
        assert isinstance(await terminal(first), Usage)
        assert isinstance(await terminal(second), Usage)

    play(scenario)


def test_a_request_beyond_the_credits_waits_and_is_seen_waiting() -> None:
    async def scenario(stage: Stage) -> None:
        for i in range(3):
            await stage.loop.submit(model("a"), asked(str(i)))
        stage.worker("a").become_ready()
        await stage.settle()
        snapshot = stage.loop.snapshot()
        assert [(q.request_id, q.position) for q in snapshot.queue] == [("2", 1)]
        assert snapshot.models["a"].active == 2
        stage.worker("a").finish("0")
        await stage.settle()
        assert set(stage.worker("a").running) == {"1", "2"}
        assert stage.loop.snapshot().queue == ()

    play(scenario)


def test_the_count_limit_evicts_the_least_recently_used_idle_model() -> None:
    async def scenario(stage: Stage) -> None:
        for name in ("a", "b"):
            await stage.loaded(name)
        await stage.loop.submit(model("c"), asked("1"))
        assert stage.worker("a").phase == "stopping"
        assert stage.worker("b").phase == "ready"
        stage.worker("a").end()
        await stage.settle()
        assert stage.worker("c").phase == "loading"

    play(scenario)


def test_a_leased_model_is_not_evicted_and_the_other_waits_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        waiting = await stage.loop.submit(model("b"), asked("2"))
        assert stage.worker("a").phase == "ready"
        stage.worker("a").finish("1")
        await stage.settle()
        assert stage.worker("a").phase == "stopping"
        stage.worker("a").end()
        await stage.settle()
        stage.worker("b").become_ready()
        await stage.settle()
        stage.worker("b").finish("2")
        assert isinstance(await terminal(waiting), Usage)

    play(scenario, max_models=1)


def test_a_crash_fails_its_requests_and_the_next_one_loads_again() -> None:
    async def scenario(stage: Stage) -> None:
        lost = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").say("1")
        stage.worker("a").crash()
        assert error_of(await terminal(lost)).code == "worker_failed"
        found = await stage.loop.submit(model("a"), asked("2"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").finish("2")
        assert isinstance(await terminal(found), Usage)
        assert len(stage.workers) == 2

    play(scenario)


def test_a_request_of_which_nothing_came_is_answered_by_the_next_worker_and_only_by_that() -> None:
    async def scenario(stage: Stage) -> None:
        begun, first, second = [
            await stage.loop.submit(model("a"), asked(str(number))) for number in range(3)
        ]
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").say("0")
        stage.worker("a").crash()
        assert error_of(await terminal(begun)).code == "worker_failed"
        await stage.settle()
        assert [each.request_id for each in stage.loop.snapshot().queue] == ["1", "2"]
        stage.worker("a").become_ready()
        await stage.settle()
        assert set(stage.worker("a").running) == {"1", "2"}
        stage.worker("a").finish("2")
        stage.worker("a").crash()
        assert error_of(await terminal(first)).code == "worker_failed"
        assert isinstance(await terminal(second), Usage)

    play(scenario)


def test_a_request_that_comes_back_abandoned_or_as_the_server_stops_is_not_tried_again() -> None:
    async def scenario(stage: Stage) -> None:
        boxes = [await stage.loop.submit(model("a"), asked(str(number))) for number in range(2)]
        worker = stage.worker("a")
        worker.become_ready()
        await stage.settle()
        worker.deaf = True
        stage.loop.abandon("0")
        await stage.settle()
        ending = asyncio.create_task(stage.loop.shutdown(grace_s=DEADLINE_S))
        await asyncio.sleep(0)
        await stage.settle()
        worker.crash()
        for box in boxes:
            assert error_of(await terminal(box)).code == "worker_failed"
        await ending
        assert stage.loop.snapshot().queue == ()
        assert len(stage.workers) == 1

    play(scenario)


def test_a_load_that_finds_no_folder_tells_so_and_has_the_folders_searched() -> None:
    async def scenario(stage: Stage) -> None:
        mailbox = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").end(ModelNotFound("a is not there any more."))
        assert error_of(await terminal(mailbox)).code == "model_not_found"
        await stage.settle()
        assert stage.missing == 1
        stage.loop.removed(["a"])
        await stage.settle()
        assert stage.loop.snapshot().models == {}

    play(scenario)


def test_a_load_that_fails_answers_everybody_and_three_in_a_row_refuse_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        for attempt in range(3):
            mailbox = await stage.loop.submit(model("a"), asked(str(attempt)))
            stage.worker("a").crash()
            assert error_of(await terminal(mailbox)).code == "load_failed"
            await stage.settle()
        with pytest.raises(LoadFailed, match="3 times"):
            await stage.loop.submit(model("a"), asked("x"))
        assert stage.loop.snapshot().models["a"].state == "failed"
        loading = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").become_ready()
        assert not (await loading).already_loaded

    play(scenario, back_off_s=0.0)


def test_a_model_that_can_never_fit_is_refused_with_the_numbers() -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(ModelTooLarge):
            await stage.loop.load(model("huge"))
        mailbox = await stage.loop.submit(model("huge"), asked("1"))
        assert error_of(await terminal(mailbox)).code == "model_too_large"

    play(scenario)


def test_a_full_queue_refuses_with_a_time_to_come_back() -> None:
    async def scenario(stage: Stage) -> None:
        for i in range(3):
            await stage.loop.submit(model("a"), asked(str(i)))
        with pytest.raises(QueueFull) as refused:
            await stage.loop.submit(model("a"), asked("x"))
        assert refused.value.retry_after_s

    play(scenario, max_queue=3)


def test_an_abandoned_request_leaves_the_queue_or_the_worker() -> None:
    async def scenario(stage: Stage) -> None:
        for i in range(3):
            await stage.loop.submit(model("a"), asked(str(i)))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.loop.abandon("2")
        await stage.settle()
        assert stage.loop.snapshot().queue == ()
        stage.loop.abandon("0")
        await stage.settle()
        assert set(stage.worker("a").running) == {"1"}
        assert stage.loop.snapshot().models["a"].active == 1

    play(scenario)


def test_waiting_and_loading_have_their_limits_in_time() -> None:
    async def scenario(stage: Stage) -> None:
        mailbox = await stage.loop.submit(model("a"), asked("1"))
        assert error_of(await terminal(mailbox)).code == "queue_timeout"
        with pytest.raises(MlxGuiError) as timed_out:
            await stage.loop.load(model("b"))
        assert timed_out.value.code == "load_timeout"
        assert stage.worker("b").phase == "stopping"

    play(scenario, queue_timeout_s=0.01, load_timeout_s=0.05)


def test_an_idle_model_leaves_when_its_keep_alive_is_over() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.worker("a").phase == "ready"
        stage.worker("a").finish("1")
        while stage.worker("a").phase == "ready":
            await asyncio.sleep(0)

    play(scenario, keep_alive_s=0)


def test_the_keep_alive_of_a_model_holds_for_it_without_a_new_load() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.standings["a"] = Standing(keep_alive_s=0)
        stage.loop.settings_changed()
        stage.worker("a").finish("1")
        while stage.worker("a").phase == "ready":
            await asyncio.sleep(0)
        assert len(stage.workers) == 1

    play(scenario, keep_alive_s=-1)


def test_an_idle_model_whose_settings_changed_is_loaded_anew_by_the_next_request() -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").finish("1")
        assert isinstance(await terminal(first), Usage)
        assert not stage.loop.reload_pending(model("a"))
        stage.contexts["a"] = 128
        assert stage.loop.reload_pending(model("a"))
        assert stage.worker("a").phase == "ready"
        second = await stage.loop.submit(model("a"), asked("2"))
        assert stage.worker("a").phase == "stopping"
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.worker("a").spec.context == 128
        stage.worker("a").finish("2")
        assert isinstance(await terminal(second), Usage)
        assert not stage.loop.reload_pending(model("a"))

    play(scenario)


def test_a_busy_model_whose_settings_changed_finishes_first_and_takes_nothing_new() -> None:
    async def scenario(stage: Stage) -> None:
        running = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.contexts["a"] = 128
        waiting = await stage.loop.submit(model("a"), asked("2"))
        old = stage.worker("a")
        assert (old.phase, set(old.running)) == ("ready", {"1"})
        assert stage.loop.snapshot().models["a"].queued == 1
        old.finish("1")
        assert isinstance(await terminal(running), Usage)
        await stage.settle()
        assert old.phase == "stopping"
        old.end()
        await stage.settle()
        stage.worker("a").become_ready()
        await stage.settle()
        assert set(stage.worker("a").running) == {"2"}
        stage.worker("a").finish("2")
        assert isinstance(await terminal(waiting), Usage)

    play(scenario)


def test_a_load_that_was_asked_for_is_of_the_settings_as_they_are_now() -> None:
    async def scenario(stage: Stage) -> None:
        first = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").become_ready()
        assert not (await first).already_loaded
        assert (await stage.loop.load(model("a"))).already_loaded
        stage.contexts["a"] = 128
        again = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").become_ready()
        assert not (await again).already_loaded
        assert stage.worker("a").spec.context == 128

    play(scenario)


def test_a_change_that_is_taken_back_costs_no_load() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        stage.contexts["a"] = 128
        await stage.loop.submit(model("a"), asked("2"))
        del stage.contexts["a"]
        stage.worker("a").finish("1")
        await stage.settle()
        assert set(stage.worker("a").running) == {"2"}
        assert len(stage.workers) == 1

    play(scenario)


def test_an_unload_is_refused_while_the_model_answers_unless_forced() -> None:
    async def scenario(stage: Stage) -> None:
        mailbox = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        with pytest.raises(Conflict, match="1 requests"):
            await stage.loop.unload(model("a"))
        unloading = asyncio.create_task(stage.loop.unload(model("a"), force=True))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").end()
        assert (await unloading).was_loaded
        assert error_of(await terminal(mailbox)).code == "worker_failed"
        assert not (await stage.loop.unload(model("a"))).was_loaded

    play(scenario)


def test_progress_of_a_load_is_seen_while_somebody_waits() -> None:
    from mlx_gui.ipc.messages import LoadProgress

    async def scenario(stage: Stage) -> None:
        for name in ("1", "2"):
            await stage.loop.submit(model("a"), asked(name))
        worker = stage.worker("a")
        worker.progress = LoadProgress("weights", 1, 4)
        with stage.bus.subscribe({"models"}) as followed:
            stage.loop.worker_progressed(worker)  # pyright: ignore[reportArgumentType]
            assert await followed.next() == [Mark("models", "a")]
        seen = stage.loop.snapshot()
        assert (seen.models["a"].load_progress, seen.models["a"].load_stage) == (0.25, "weights")
        assert [(each.request_id, each.position) for each in seen.queue] == [("1", 1), ("2", 2)]

    play(scenario)


def test_a_shutdown_lets_answers_finish_and_refuses_what_is_new() -> None:
    async def scenario(stage: Stage) -> None:
        running = await stage.loop.submit(model("a"), asked("1"))
        stage.worker("a").become_ready()
        await stage.settle()
        queued = await stage.loop.submit(model("b"), asked("2"))
        ending = asyncio.create_task(stage.loop.shutdown(grace_s=DEADLINE_S))
        await asyncio.sleep(0)
        await stage.settle()
        assert error_of(await terminal(queued)).code == "shutting_down"
        with pytest.raises(ShuttingDown):
            await stage.loop.submit(model("a"), asked("3"))
        stage.worker("a").finish("1")
        await ending
        assert isinstance(await terminal(running), Usage)
        assert all(worker.phase == "stopped" for worker in stage.workers)

    play(scenario, max_models=1)


_STEPS = (
    "submit", "submit", "submit", "ready", "ready", "finish", "finish", "abandon", "change", "end",
    "load", "stand", "press", "unload",
)  # fmt: skip


class Crowd:
    """Many who want something of a stage, in an order that dice decide."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = stage, dice
        self.boxes: dict[str, Mailbox] = {}
        self.abandoned: set[str] = set()
        self.waiting: list[asyncio.Future[Any]] = []

    @property
    def alive(self) -> list[ScriptedWorker]:
        return [w for w in self.stage.workers if w.phase != "stopped"]

    def check(self) -> None:
        """What holds at every moment."""
        assert len(self.alive) <= 2, "the count limit holds"
        held = sum(self.stage.sizes.get(w.spec.model_id, 10) for w in self.alive)
        assert held <= 100, "the budget holds"

    async def act(self, number: int) -> None:
        stage, dice = self.stage, self.dice
        match dice.choice(_STEPS):
            case "submit":
                await self._submit(str(number), dice.choice("abcd"))
            case "change":
                stage.contexts[dice.choice("abcd")] = dice.choice((64, 128))
            case "load":
                self._later(stage.loop.load(model(dice.choice("abcd"))))
            case "unload":
                name = dice.choice("abcd")
                self._later(stage.loop.unload(model(name), when_idle=dice.random() < 0.5))
            case "stand":
                pinned = dice.random() < 0.2
                stage.standings[dice.choice("abcd")] = Standing(pinned, dice.randint(-1, 1))
                stage.loop.settings_changed()
            case "press":
                stage.loop.pressure_is(dice.choice(("normal", "normal", "warn", "critical")))
            case "ready":
                self._ready()
            case "finish":
                self._finish()
            case "abandon":
                if self.boxes:
                    self.abandoned.add(dice.choice(list(self.boxes)))
                    for request_id in self.abandoned:
                        stage.loop.abandon(request_id)
            case _:
                if self.alive:
                    worker = dice.choice(self.alive)
                    if worker.phase == "stopping":
                        assert not worker.running, "a leased worker is never evicted"
                        worker.end()
                    elif dice.random() < 0.3:
                        worker.crash()

    async def let_all_end(self) -> None:
        """No more trouble: whoever still waits must be answered in the end."""
        self.stage.standings.clear()
        self.stage.loop.settings_changed()
        self.stage.loop.pressure_is("normal")
        while self.open:
            for worker in self.alive:
                if worker.phase == "stopping":
                    worker.end()
            self._ready()
            self._finish()
            await self.stage.settle()
            await asyncio.sleep(0.0005)

    @property
    def open(self) -> set[str]:
        left = {name for name, mailbox in self.boxes.items() if not mailbox.closed}
        return left - self.abandoned

    def _ready(self) -> None:
        for worker in [w for w in self.alive if w.phase == "loading"][:1]:
            worker.become_ready(load_ms=0.1)

    def _finish(self) -> None:
        busy = [w for w in self.alive if w.running and w.phase == "ready"]
        if busy:
            worker = self.dice.choice(busy)
            worker.finish(self.dice.choice(list(worker.running)))

    async def _submit(self, request_id: str, name: str) -> None:
        tenant, priority = self.dice.choice("xyz"), self.dice.randint(-1, 1)
        ask = asked(request_id, tenant=tenant, priority=priority)
        try:
            self.boxes[request_id] = await self.stage.loop.submit(model(name), ask)
        except LoadFailed:
            self._later(self.stage.loop.load(model(name)))

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.waiting.append(task)


@hypothesis_settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), actions=st.integers(20, 150))
def test_in_any_order_of_events_every_request_ends_exactly_once(seed: int, actions: int) -> None:
    dice = random.Random(seed)

    async def scenario(stage: Stage) -> None:
        crowd = Crowd(stage, dice)
        stage.sizes = {name: dice.choice((10, 30, 60, 90)) for name in "abcd"}
        for number in range(actions):
            crowd.check()
            await crowd.act(number)
            await stage.settle()
        await crowd.let_all_end()
        await stage.loop.shutdown(grace_s=0)
        await stage.settle()
        snapshot = stage.loop.snapshot()
        assert snapshot.queue == ()
        assert all(view.active == 0 for view in snapshot.models.values())
        assert stage.told.unended == []
        await asyncio.gather(*crowd.waiting, return_exceptions=True)

    play(scenario, turn_s=0.002, back_off_s=0.001)
