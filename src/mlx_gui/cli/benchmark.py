"""`mlx-gui benchmark`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.job_progress import follow_job
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.core.benchmark import ANSWER_TOKENS, CROWDS, PROMPTS_TOKENS
from mlx_gui.wire.benchmarks import BenchmarkBody


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def command(
    model: ModelName,
    *,
    prompt_tokens: Annotated[
        list[int] | None,
        typer.Option(
            "--prompt-tokens",
            metavar="N",
            help=f"Tokens of a prompt; repeatable.  [default: {_listed(PROMPTS_TOKENS)}]",
        ),
    ] = None,
    answer_tokens: Annotated[
        int, typer.Option("--answer-tokens", metavar="N", help="Tokens of an answer.")
    ] = ANSWER_TOKENS,
    at_once: Annotated[
        list[int] | None,
        typer.Option(
            "--at-once",
            metavar="N",
            help=f"Requests at once; repeatable.  [default: {_listed(CROWDS)}]",
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Measure nothing: show what was measured before.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Measures how fast a model of text reads prompts and writes answers on this machine."""
    with connect(url, data_dir) as client:
        if not show:
            job = client.benchmark(
                model,
                prompt_tokens=prompt_tokens or PROMPTS_TOKENS,
                answer_tokens=answer_tokens,
                at_once=at_once or CROWDS,
            )
            follow_job(client, job)
        kept = client.benchmarks(model).benchmarks
    shown = kept if show else kept[:1]
    if json:
        write_json([each.model_dump(mode="json") for each in shown])
    elif shown:
        _print(shown)
    else:
        console().print(f"Nothing was measured of {model} yet.", markup=False)


def _print(benchmarks: Sequence[BenchmarkBody]) -> None:
    table = plain_table(
        "Measured", "Version", "Prompt", "At once", "First token", "Reads", "Writes", wraps="Reads"
    )
    for each in benchmarks:
        for row in each.figures:
            table.add_row(
                each.measured_at,
                each.version,
                f"{row.prompt_tokens:,}",
                str(row.at_once),
                _figure(row.first_token_ms, "ms"),
                row.problem or _figure(row.prompt_tokens_per_s, "tokens/s"),
                _figure(row.answer_tokens_per_s, "tokens/s"),
            )
    console().print(table)


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.{0 if value >= 100 else 1}f} {unit}"
