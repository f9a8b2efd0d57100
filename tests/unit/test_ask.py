"""How a request ended, by the last event of it."""

import pytest

from mlx_gui.core.ask import Outcome, RequestEnd, end_of
from mlx_gui.core.errors import (
    Cancelled,
    ContextTooLong,
    InternalError,
    LoadFailed,
    MlxGuiError,
    ModelTooLarge,
    QueueTimeout,
    ShuttingDown,
    WorkerOutOfMemory,
)
from mlx_gui.core.generation import Failed, Usage


def test_an_answer_is_finished_or_was_cancelled_with_what_it_took() -> None:
    usage = Usage(3, 2)

    assert end_of(usage) == RequestEnd("finished", usage)
    assert end_of(usage, given_up=True) == RequestEnd("cancelled", usage)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ContextTooLong("long"), "refused"),
        (Cancelled("gone"), "cancelled"),
        (ModelTooLarge("large"), "refused"),
        (QueueTimeout("late"), "refused"),
        (ShuttingDown("over"), "refused"),
        (LoadFailed("broken"), "failed"),
        (WorkerOutOfMemory("full"), "failed"),
        (InternalError("odd"), "failed"),
    ],
)
def test_what_was_at_fault_says_whether_a_request_was_refused(
    error: MlxGuiError, outcome: Outcome
) -> None:
    last = Failed(error.info())

    assert end_of(last) == RequestEnd(outcome, error=error.info())
    assert end_of(last, given_up=True) == RequestEnd("cancelled", error=error.info())
