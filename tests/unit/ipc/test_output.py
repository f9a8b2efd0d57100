"""What of a child's lines reaches the log."""

import pytest

from mlx_gui.ipc.output import LogShare, print_fault, read_line


def test_each_line_of_a_fault_names_the_request_that_met_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        print_fault("answer-1")
    lines = [read_line(line) for line in capsys.readouterr().err.splitlines()]
    assert {answer_id for answer_id, _ in lines} == {"answer-1"}
    assert [text for _, text in lines][-2:] == ["ValueError: two", "lines"]


@pytest.mark.parametrize("line", ["", "any line", "\x1fno end", "a\x1fb\x1fc"])
def test_any_other_line_is_about_nobody(line: str) -> None:
    assert read_line(line) == (None, line)


def test_lines_of_one_request_are_logged_together() -> None:
    lines = [(None, "a"), ("x", "b"), ("x", "c"), (None, "d")]
    assert list(LogShare(lambda: 0.0).parts(lines)) == [
        (None, ["a"]),
        ("x", ["b", "c"]),
        (None, ["d"]),
    ]


def test_of_too_many_lines_the_log_has_the_first_and_how_many_were_left_out() -> None:
    now_s = 0.0
    share = LogShare(lambda: now_s)
    (part,) = share.parts((None, str(number)) for number in range(5_000))
    assert part == (None, [str(number) for number in range(200)])
    assert list(share.parts([(None, "more")])) == []
    now_s = 0.2
    (part,) = share.parts([(None, "again"), (None, "x" * 5_000)])
    assert part == (None, ["(4801 lines were left out)", "again", "x" * 2_000])
