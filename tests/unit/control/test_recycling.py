"""When an idle worker has served, or grown, enough."""

import pytest

from mlx_gui.control.residency.leaving import recycle_reason

MB = 1_000_000


@pytest.mark.parametrize(
    ("served", "bound", "due"), [(9, 10, False), (10, 10, True), (11, 10, True), (10**6, 0, False)]
)
def test_a_worker_is_due_after_so_many_answers(served: int, bound: int, due: bool) -> None:
    reason = recycle_reason(served=served, recycle_requests=bound, used_bytes=0, need_bytes=0)
    assert (reason is not None) is due
    if reason:
        assert str(served) in reason


@pytest.mark.parametrize(
    ("used_mb", "need_mb", "due"),
    [
        (1512, 1000, False),
        (1513, 1000, True),
        (4999, 4000, False),
        (5001, 4000, True),
        (100, 4000, False),
        (600, 0, True),
    ],
)
def test_a_worker_is_due_when_it_has_outgrown_its_need_by_a_quarter_and_512_mb(
    used_mb: int, need_mb: int, due: bool
) -> None:
    reason = recycle_reason(
        served=1, recycle_requests=0, used_bytes=used_mb * MB, need_bytes=need_mb * MB
    )
    assert (reason is not None) is due
