"""How models share the memory: turns, pins, priorities, plans, and what is done in need."""

import asyncio
from collections.abc import Callable

import pytest

from mlx_gui.control.plans.wish import Standing
from mlx_gui.control.residency.decisions import KEPT, DecisionLog
from mlx_gui.core.errors import (
    Conflict,
    InvalidRequest,
    LoadFailed,
    MlxGuiError,
    PlanChanged,
    QueueFull,
    WorkerFailed,
    WorkerOutOfMemory,
)
from mlx_gui.core.generation import Usage
from mlx_gui.core.plan import PolicyAction
from tests.unit.control.fakes import asked, error_of, model
from tests.unit.control.stage import Stage, play, terminal


async def until(stage: Stage, true: Callable[[], bool]) -> None:
    """Lets time pass until something is so; the scenario's deadline bounds it."""
    while not true():
        await asyncio.sleep(0.001)
    await stage.settle()


def decided(stage: Stage, action: PolicyAction, subject: str) -> list[str]:
    """The reasons of these decisions, the newest first."""
    found = [each for each in stage.loop.decisions(subject) if each.action == action]
    return [each.reason for each in found if each.subject == subject]


# --- turns ---------------------------------------------------------------------------------


def test_two_models_that_cannot_be_there_together_take_turns() -> None:
    async def scenario(stage: Stage) -> None:
        boxes = {
            f"{name}{number}": await stage.loop.submit(model(name), asked(f"{name}{number}"))
            for number in range(4)
            for name in "ab"
        }
        order: list[str] = []
        while len(order) < len(boxes):
            await stage.settle()
            for worker in [w for w in stage.workers if w.phase == "stopping"]:
                worker.end()
            for worker in [w for w in stage.workers if w.phase == "loading"]:
                worker.become_ready(load_ms=0)
            busy = [w for w in stage.workers if w.phase == "ready" and w.running]
            if not busy:
                await asyncio.sleep(0.001)
                continue
            # One answer takes longer than a turn.
            await asyncio.sleep(0.003)
            request_id = next(iter(busy[0].running))
            busy[0].finish(request_id)
            order.append(request_id)
        assert all([isinstance(await terminal(box), Usage) for box in boxes.values()])
        assert [each[0] for each in order] == ["a", "b"] * 4, "each has its turn, and only that"

    play(scenario, max_models=1, slots=1, turn_s=0.002)


def test_a_model_keeps_its_turn_while_it_lasts() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for number in range(3):
            await stage.loop.submit(model("a"), asked(f"a{number}"))
        await stage.loop.submit(model("b"), asked("b"))
        worker.finish("a0")
        await stage.settle()
        assert set(worker.running) == {"a1"}
        assert stage.loop.snapshot().models["b"].waits_because == "it is the turn of a"
        assert decided(stage, "wait", "b") == ["it is the turn of a"]

    play(scenario, max_models=1, slots=1, turn_s=1000.0)


def test_a_drained_model_goes_on_when_the_other_is_not_wanted_any_more() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        await stage.loop.submit(model("a"), asked("a0"))
        await stage.loop.submit(model("a"), asked("a1"))
        await stage.loop.submit(model("b"), asked("b"))
        await until(stage, lambda: bool(decided(stage, "drain", "a")))
        stage.loop.abandon("b")
        await stage.settle()
        worker.finish("a0")
        await stage.settle()
        assert set(worker.running) == {"a1"}

    play(scenario, max_models=1, slots=1, turn_s=0.001)


def test_a_turn_is_no_shorter_than_twice_its_load() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("a0"))
        stage.worker("a").become_ready(load_ms=1_000_000)
        await stage.settle()
        await stage.loop.submit(model("b"), asked("b"))
        assert stage.loop.snapshot().models["b"].waits_because == "it is the turn of a"

    play(scenario, max_models=1, turn_s=0.001)


# --- pins and priorities --------------------------------------------------------------------


def test_a_pinned_model_is_neither_evicted_nor_expires() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["a"] = Standing(pinned=True)
        await stage.loaded("a")
        await stage.loaded("b")
        await stage.loop.submit(model("c"), asked("1"))
        assert stage.worker("b").phase == "stopping"
        assert stage.worker("a").phase == "ready"
        assert stage.loop.snapshot().models["a"].expires_at is None

    play(scenario, keep_alive_s=3600)


def test_a_pin_that_is_taken_away_lets_the_keep_alive_begin() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["a"] = Standing(pinned=True)
        worker = await stage.loaded("a")
        await stage.settle()
        assert worker.phase == "ready"
        stage.standings["a"] = Standing()
        stage.loop.settings_changed()
        await until(stage, lambda: worker.phase == "stopping")
        assert decided(stage, "expire", "a") == ["its keep-alive is over"]

    play(scenario, keep_alive_s=0)


def test_what_does_not_fit_beside_pinned_models_is_refused_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["a"] = Standing(pinned=True)
        stage.sizes = {"a": 60, "b": 50}
        await stage.loaded("a")
        with pytest.raises(MlxGuiError, match="pinned") as refused:
            await stage.loop.load(model("b"))
        assert refused.value.status == 503
        mailbox = await stage.loop.submit(model("b"), asked("1"))
        assert "pinned" in error_of(await terminal(mailbox)).message

    play(scenario)


def test_a_pinned_model_that_crashed_comes_back_by_itself() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["a"] = Standing(pinned=True)
        (await stage.loaded("a")).crash()
        await stage.settle()
        assert stage.started("a")
        stage.worker("a").become_ready()
        await stage.settle()
        assert stage.loop.snapshot().models["a"].state == "ready"

    play(scenario)


def test_the_least_important_idle_model_leaves_first() -> None:
    async def scenario(stage: Stage) -> None:
        stage.standings["b"] = Standing(priority=-1)
        await stage.loaded("a")
        await stage.loaded("b")
        await stage.loop.submit(model("c"), asked("1"))
        assert stage.worker("b").phase == "stopping"
        view = stage.loop.snapshot().models["b"]
        assert view.evictions == 1
        assert view.evicted_because is not None
        assert "made room for c" in view.evicted_because
        assert view.left is not None
        assert (view.left.action, view.left.cause) == ("evict", "c")

    play(scenario)


def test_why_a_model_left_is_known_until_it_leaves_again_or_crashes() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        unloading = asyncio.create_task(stage.loop.unload(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").end()
        await unloading
        left = stage.loop.snapshot().models["a"].left
        assert left is not None
        assert (left.action, left.cause) == ("unload", None)
        (await stage.loaded("a")).crash()
        await stage.settle()
        assert stage.loop.snapshot().models["a"].left is None

    play(scenario)


def test_requests_are_granted_by_priority_and_tenants_take_turns() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        crowd = [("a0", "x", 0), ("a1", "x", 0), ("b0", "y", 0), ("high", "x", 5)]
        await stage.loop.submit(model("a"), asked("first"))
        for request_id, tenant, priority in crowd:
            ask = asked(request_id, tenant=tenant, priority=priority)
            await stage.loop.submit(model("a"), ask)
        order: list[str] = []
        while worker.running:
            (request_id,) = worker.running
            order.append(request_id)
            worker.finish(request_id)
            await stage.settle()
        assert order == ["first", "high", "a0", "b0", "a1"]

    play(scenario, slots=1)


def test_a_tenant_that_fills_the_queue_does_not_shut_out_another() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(4):
            await stage.loop.submit(model("a"), asked(str(number), tenant="loud"))
        with pytest.raises(QueueFull):
            await stage.loop.submit(model("a"), asked("more", tenant="loud"))
        await stage.loop.submit(model("a"), asked("quiet", tenant="quiet"))

    play(scenario, max_queue=4)


# --- loads ---------------------------------------------------------------------------------


def test_a_load_that_nobody_waits_for_any_more_is_ended() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("1"))
        loading = asyncio.create_task(stage.loop.load(model("a")))
        await asyncio.sleep(0)
        await stage.settle()
        stage.loop.abandon("1")
        await stage.settle()
        assert stage.worker("a").phase == "loading", "somebody else waits for it"
        loading.cancel()
        await asyncio.sleep(0)
        await stage.settle()
        assert stage.worker("a").phase == "stopping"
        assert decided(stage, "unload", "a") == ["nobody waits for it any more"]

    play(scenario)


def test_a_preload_waits_for_room_and_evicts_nobody_at_work() -> None:
    async def scenario(stage: Stage) -> None:
        stage.loop.preload([model("a"), model("b"), model("c")])
        await stage.settle()
        assert [w.spec.model_id for w in stage.workers] == ["a", "b"]
        for name in ("a", "b"):
            stage.worker(name).become_ready()
        await stage.settle()
        assert decided(stage, "load", "a") == ["it is kept loaded"]

    play(scenario)


def test_after_a_second_failure_the_next_load_waits_unless_somebody_asks_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        boxes = [await stage.loop.submit(model("a"), asked(str(number))) for number in range(6)]
        for _ in range(2):
            assert stage.started("a"), "the first time at once"
            stage.worker("a").become_ready()
            await stage.settle()
            for request_id in list(stage.worker("a").running):
                stage.worker("a").say(request_id)
            stage.worker("a").crash()
            await stage.settle()
        assert not stage.started("a")
        assert stage.loop.snapshot().models["a"].queued == 2
        await stage.loaded("a")
        await stage.settle()
        for number in (4, 5):
            stage.worker("a").finish(str(number))
            assert isinstance(await terminal(boxes[number]), Usage)

    play(scenario, slots=2, back_off_s=500.0)


def test_a_model_that_failed_is_tried_again_when_its_settings_have_changed() -> None:
    async def scenario(stage: Stage) -> None:
        for attempt in range(3):
            await stage.loop.submit(model("a"), asked(str(attempt)))
            stage.worker("a").crash()
            await stage.settle()
        with pytest.raises(LoadFailed):
            await stage.loop.submit(model("a"), asked("refused"))
        stage.contexts["a"] = 128
        await stage.loop.submit(model("a"), asked("again"))
        assert stage.started("a")

    play(scenario, back_off_s=0.0)


def test_the_wait_after_a_failure_ends_by_itself() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(5):
            await stage.loop.submit(model("a"), asked(str(number)))
        for _ in range(2):
            stage.worker("a").become_ready()
            await stage.settle()
            stage.worker("a").crash()
            await stage.settle()
        await until(stage, lambda: stage.started("a"))

    play(scenario, slots=2, back_off_s=0.005)


# --- unloads --------------------------------------------------------------------------------


def test_an_unload_when_idle_answers_what_had_come_and_no_more() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        boxes = [await stage.loop.submit(model("a"), asked(str(number))) for number in range(2)]
        unloading = asyncio.create_task(stage.loop.unload(model("a"), when_idle=True))
        await asyncio.sleep(0)
        await stage.settle()
        later = await stage.loop.submit(model("a"), asked("later"))
        for number in range(2):
            worker.finish(str(number))
            await stage.settle()
        assert worker.phase == "stopping"
        worker.end()
        assert (await unloading).was_loaded
        assert all([isinstance(await terminal(box), Usage) for box in boxes])
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").finish("later")
        assert isinstance(await terminal(later), Usage)

    play(scenario, slots=1)


def test_an_unload_when_idle_is_not_held_up_by_a_later_and_more_urgent_request() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for number in range(2):
            await stage.loop.submit(model("a"), asked(str(number)))
        unloading = asyncio.create_task(stage.loop.unload(model("a"), when_idle=True))
        await asyncio.sleep(0)
        await stage.settle()
        await stage.loop.submit(model("a"), asked("urgent", priority=5))
        for number in range(2):
            worker.finish(str(number))
            await stage.settle()
        assert worker.phase == "stopping"
        worker.end()
        assert (await unloading).was_loaded

    play(scenario, slots=1)


def test_a_forced_unload_also_ends_the_wait_for_room() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loop.submit(model("a"), asked("a"))
        stage.worker("a").become_ready()
        await stage.settle()
        waiting = await stage.loop.submit(model("b"), asked("b"))
        assert not (await stage.loop.unload(model("b"), force=True)).was_loaded
        assert error_of(await terminal(waiting)).code == "conflict"

    play(scenario, max_models=1)


# --- memory that runs out -------------------------------------------------------------------


def test_pressure_takes_caches_then_idle_models_and_refuses_loads() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loaded("b")
        busy = await stage.loop.submit(model("b"), asked("1"))
        stage.loop.pressure_is("critical")
        await stage.settle()
        assert (stage.worker("a").reclaims, stage.worker("b").reclaims) == (1, 1)
        assert stage.worker("a").phase == "stopping"
        assert stage.worker("b").phase == "ready", "a model at work stays"
        with pytest.raises(MlxGuiError, match="short of memory") as refused:
            await stage.loop.load(model("c"))
        assert refused.value.retry_after_s
        stage.worker("b").finish("1")
        assert isinstance(await terminal(busy), Usage)
        stage.loop.pressure_is("normal")
        await stage.settle()
        stage.worker("a").end()
        await stage.loaded("c")
        assert not stage.spare or stage.loop.snapshot().models["c"].state == "ready"

    play(scenario)


def test_a_little_pressure_takes_one_idle_model_at_a_time() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loaded("b")
        stage.loop.pressure_is("warn")
        await stage.settle()
        assert [stage.worker(name).phase for name in "ab"] == ["stopping", "ready"]
        assert decided(stage, "evict", "a") == ["memory pressure is warn"]
        assert len(decided(stage, "shrink", "b")) == 1

    play(scenario)


def test_a_worker_out_of_memory_comes_back_smaller_and_others_make_room() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("other")
        await stage.loaded("a")
        boxes = [await stage.loop.submit(model("a"), asked(str(number))) for number in range(3)]
        for number in range(2):
            stage.worker("a").say(str(number))
        stage.worker("a").end(WorkerOutOfMemory("a ran out of memory"))
        for box in boxes[:2]:
            assert error_of(await terminal(box)).code == "worker_out_of_memory"
        await stage.settle()
        assert stage.worker("other").phase == "stopping"
        assert stage.worker("a").spec.context == 32
        stage.worker("a").become_ready()
        await stage.settle()
        stage.worker("a").finish("2")
        assert isinstance(await terminal(boxes[2]), Usage)
        stage.worker("a").end(WorkerOutOfMemory("a ran out of memory"))
        await stage.settle()
        assert stage.loop.snapshot().models["a"].state == "failed"

    play(scenario)


def test_other_programs_may_leave_too_little_for_now() -> None:
    async def scenario(stage: Stage) -> None:
        stage.budget, stage.sizes = 30, {"a": 50}
        with pytest.raises(MlxGuiError, match="other programs") as refused:
            await stage.loop.load(model("a"))
        assert refused.value.retry_after_s
        stage.budget = 100
        await stage.loaded("a")

    play(scenario)


def test_a_spare_is_allowed_only_while_memory_is_plentiful() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes = {"a": 30, "b": 30}
        await stage.loaded("a")
        await stage.settle()
        assert stage.spare
        await stage.loaded("b")
        await stage.settle()
        assert not stage.spare

    play(scenario)


def test_a_spare_stays_for_the_load_that_waits_for_room() -> None:
    async def scenario(stage: Stage) -> None:
        stage.sizes = {"a": 30, "b": 30}
        await stage.loaded("a")
        await stage.settle()
        assert stage.spare
        await stage.loop.submit(model("b"), asked("1"))
        assert stage.worker("a").phase == "stopping"
        assert stage.spare
        stage.worker("a").end()
        await stage.settle()
        assert stage.started("b")
        assert stage.spare, "nobody ends it before it was taken"

    play(scenario, max_models=1)


def test_an_idle_worker_that_has_grown_old_is_replaced() -> None:
    async def scenario(stage: Stage) -> None:
        worker = await stage.loaded("a")
        for name in ("1", "2"):
            assert worker.phase == "ready"
            await stage.loop.submit(model("a"), asked(name))
            await stage.settle()
            worker.finish(name)
            await stage.settle()
        assert worker.phase == "stopping"
        assert decided(stage, "recycle", "a") == ["it has answered 2 requests"]

    play(scenario, recycle_requests=2)


# --- plans ---------------------------------------------------------------------------------


def test_a_plan_names_who_would_leave_and_changes_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        await stage.loaded("b")
        plan = await stage.loop.plan(model("c"))
        assert plan.fits == "after_eviction"
        assert [each.model_id for each in plan.evict] == ["a"]
        assert "idle" in plan.evict[0].reason
        assert [each.model_id for each in plan.keep] == ["b"]
        assert (plan.used_after_bytes, plan.budget_bytes, plan.free_after_bytes) == (20, 100, 80)
        assert all(worker.phase == "ready" for worker in stage.workers)
        loading = asyncio.create_task(stage.loop.load(model("c"), plan_token=plan.token))
        await asyncio.sleep(0)
        await stage.settle()
        assert stage.worker("a").phase == "stopping", "what the plan said"
        stage.worker("a").end()
        await stage.settle()
        stage.worker("c").become_ready()
        assert not (await loading).already_loaded

    play(scenario)


def test_a_stale_token_gets_the_new_plan_and_loads_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        plan = await stage.loop.plan(model("c"))
        assert plan.fits == "yes"
        await stage.loaded("a")
        await stage.loaded("b")
        with pytest.raises(PlanChanged) as changed:
            await stage.loop.load(model("c"), plan_token=plan.token)
        assert changed.value.plan is not None
        assert changed.value.plan.fits == "after_eviction"
        assert not stage.started("c")

    play(scenario)


def test_a_token_is_good_for_its_own_model_context_and_run_only() -> None:
    async def scenario(stage: Stage) -> None:
        token = (await stage.loop.plan(model("a"))).token
        for wrong in ("", "x", "a.b", "a.b.c.d"):
            with pytest.raises(InvalidRequest):
                await stage.loop.load(model("a"), plan_token=wrong)
        with pytest.raises(InvalidRequest, match="another model"):
            await stage.loop.load(model("b"), plan_token=token)
        with pytest.raises(InvalidRequest, match="another model"):
            await stage.loop.load(model("a"), context_tokens=128, plan_token=token)
        with pytest.raises(Conflict, match="earlier run"):
            await stage.loop.load(model("a"), plan_token=token.replace("boot", "other"))
        assert not stage.workers

    play(scenario)


def test_a_plan_for_what_can_never_fit_says_so_and_what_would() -> None:
    async def scenario(stage: Stage) -> None:
        plan = await stage.loop.plan(model("huge"))
        assert plan.fits == "no"
        assert plan.max_context == 100
        assert plan.evict == ()

    play(scenario)


def test_a_load_with_a_context_of_its_own_is_another_load() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        again = asyncio.create_task(stage.loop.load(model("a"), context_tokens=128))
        await asyncio.sleep(0)
        await stage.settle()
        stage.worker("a").end()
        await stage.settle()
        stage.worker("a").become_ready()
        assert not (await again).already_loaded
        assert stage.worker("a").spec.context == 128
        await stage.loop.submit(model("a"), asked("1"))
        await stage.settle()
        assert set(stage.worker("a").running) == {"1"}, "requests take what is there"

    play(scenario)


# --- decisions ------------------------------------------------------------------------------


def test_the_log_keeps_the_newest_and_a_wait_only_once() -> None:
    times = iter(range(10_000))
    log = DecisionLog(lambda: float(next(times)))
    for _ in range(5):
        log.note("wait", "a", reason="it is the turn of b")
    for number in range(KEPT + 10):
        log.note("load", f"m{number}", reason="wanted", cause="a" if number == 209 else None)
    kept = log.of()
    assert len(kept) == KEPT
    assert kept[0].subject == f"m{KEPT + 9}"
    assert [each.subject for each in log.of("a")] == ["m209"]
    assert kept[0].at > kept[-1].at


def test_a_crash_between_turns_loses_nobody() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.loaded("a")
        running = await stage.loop.submit(model("a"), asked("1"))
        waiting = await stage.loop.submit(model("b"), asked("2"))
        stage.worker("a").say("1")
        stage.worker("a").end(WorkerFailed("killed"))
        assert error_of(await terminal(running)).code == "worker_failed"
        await stage.settle()
        stage.worker("b").become_ready()
        await stage.settle()
        stage.worker("b").finish("2")
        assert isinstance(await terminal(waiting), Usage)

    play(scenario, max_models=1)
