"""What `mlx-gui why` says."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from mlx_gui.cli.ps import waiting_sentence
from mlx_gui.cli.why import WORDS, decision_row, present_rows
from mlx_gui.core.plan import PolicyAction
from mlx_gui.wire.models import ErrorBody, MemoryUseBody
from mlx_gui.wire.plan import DecisionBody
from mlx_gui.wire.status import LeftBody, UnloadedModel, WaitingModel
from tests.unit.cli.plans import GB, MANAGER, TINY, loaded

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def test_a_model_in_memory_is_told_in_rows() -> None:
    use = MemoryUseBody(
        weights_bytes=1, kv_bytes=2, prefix_bytes=0, other_bytes=3, total_bytes=3 * GB
    )
    busy = loaded("org/tiny", 4).model_copy(
        update={
            "memory": use,
            "active": 2,
            "queued": 1,
            "pinned": True,
            "priority": -3,
            "loads": 2,
            "evictions": 1,
            "evicted_because": "made room for org/a",
            "serial_because": "Its KV cache is quantized.",
        }
    )
    status = MANAGER.model_copy(update={"loaded_models": [*MANAGER.loaded_models, busy]})

    rows = dict(present_rows(TINY.model_copy(update={"state": "busy"}), status, NOW))

    assert rows == {
        "Model": "org/tiny",
        "State": "busy",
        "Requests": "2 running of 4 at a time, 1 waiting",
        "Memory": "3.0 GB of 4.0 GB planned",
        "Unloads": "never, pinned",
        "Priority": "-3",
        "Loads": "2 since the server started, evicted once",
        "Last evicted": "made room for org/a",
        "One at a time": "Its KV cache is quantized.",
    }


def test_a_model_that_is_waited_for_says_what_for() -> None:
    waiting = WaitingModel(
        id="org/tiny",
        state="queued",
        pinned=False,
        priority=0,
        loads=1,
        evictions=0,
        evicted_because=None,
        last_used_at=None,
        error=None,
        queued=2,
        waits_because="it is the turn of org/a",
    )
    status = MANAGER.model_copy(update={"waiting": [waiting]})

    rows = dict(present_rows(TINY.model_copy(update={"state": "queued"}), status, NOW))

    assert rows == {
        "Model": "org/tiny",
        "State": "queued",
        "Requests": "2 waiting",
        "Waits": "it is the turn of org/a",
        "Loads": "1 since the server started",
    }
    assert waiting_sentence(waiting) == (
        "org/tiny is not loaded yet, 2 waiting: it is the turn of org/a"
    )


def test_a_model_that_was_evicted_says_why() -> None:
    gone = UnloadedModel(
        id="org/tiny",
        state="failed",
        pinned=False,
        priority=0,
        loads=3,
        evictions=2,
        evicted_because="made room for org/a",
        last_used_at=None,
        error=None,
        left=LeftBody(
            at="2025-03-01T11:59:58.500Z", action="evict", reason="idle for 5 s", cause="org/a"
        ),
    )
    status = MANAGER.model_copy(update={"unloaded_models": [gone]})
    error = ErrorBody(code="load_failed", message="It broke.", hint="Mend it.")

    rows = dict(present_rows(TINY.model_copy(update={"error": error}), status, NOW))

    assert rows == {
        "Model": "org/tiny",
        "State": "not loaded",
        "Last error": "It broke. Mend it.",
        "Loads": "3 since the server started, evicted 2 times",
        "Evicted": "made room for org/a",
        "Left": "11:59:58, evicted for org/a: idle for 5 s",
    }


@pytest.mark.parametrize(
    ("at", "subject", "cause", "row"),
    [
        ("2025-03-01T11:59:58.500Z", "org/tiny", None, ("11:59:58", "evicted", "Because.")),
        ("2025-02-28T23:59:58Z", "org/tiny", None, ("2025-02-28 23:59", "evicted", "Because.")),
        (
            "2025-03-01T00:00:00Z",
            "org/tiny",
            "org/a",
            ("00:00:00", "evicted for org/a", "Because."),
        ),
        (
            "2025-03-01T00:00:00Z",
            "org/a",
            "org/tiny",
            ("00:00:00", "org/a evicted for org/tiny", "Because."),
        ),
    ],
)
def test_a_decision_says_when_what_and_why(
    at: str, subject: str, cause: str | None, row: tuple[str, str, str]
) -> None:
    decision = DecisionBody(at=at, action="evict", model=subject, cause=cause, reason="Because.")
    assert decision_row(decision, "org/tiny", NOW) == row


def test_there_is_a_word_for_every_action() -> None:
    assert set(WORDS) == set(get_args(PolicyAction))
