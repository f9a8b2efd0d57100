"""The options of `mlx-gui run`."""

from pathlib import Path
from typing import Annotated

import typer

Prompt = Annotated[
    str | None, typer.Argument(metavar="PROMPT", help="Asked once; without it, a chat.")
]
Image = Annotated[
    list[Path] | None,
    typer.Option("--image", metavar="FILE", help="A picture that PROMPT is about; repeatable."),
]
System = Annotated[str | None, typer.Option("--system", help="What the model shall be.")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="From 0, always the likeliest, to 2.")
]
TopP = Annotated[
    float | None, typer.Option("--top-p", help="Choose among tokens of this chance together.")
]
TopK = Annotated[
    int | None, typer.Option("--top-k", help="Choose among so many of the likeliest tokens.")
]
MinP = Annotated[
    float | None, typer.Option("--min-p", help="Least part of the likeliest token's chance.")
]
RepeatPenalty = Annotated[
    float | None, typer.Option("--repeat-penalty", help="Above 1: fewer repetitions.")
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Longest answer, in tokens.")]
Seed = Annotated[int | None, typer.Option("--seed", help="The same seed gives the same answer.")]
Stop = Annotated[
    list[str] | None, typer.Option("--stop", help="Text that ends the answer; repeatable.")
]
Think = Annotated[
    bool | None, typer.Option("--think/--no-think", help="Whether the model thinks first.")
]
Thinking = Annotated[
    bool | None,
    typer.Option(
        "--show-thinking/--hide-thinking",
        help="Thoughts are shown on a terminal, dim; asked for in a pipe, they go to stderr.",
    ),
]
EffortLevel = Annotated[
    str | None,
    typer.Option("--effort", metavar="LEVEL", help="How long it thinks, like low or high."),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="json|FILE", help="Answer in JSON, or by this schema."),
]
Raw = Annotated[
    bool, typer.Option("--raw", help="Continue PROMPT as it is, without chat template.")
]
WholeAnswer = Annotated[
    bool, typer.Option("--json", help="Print the whole answer as a JSON object.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say after each answer how fast it was.")]
Pull = Annotated[
    bool, typer.Option("--pull", help="Download a model that is not installed without asking.")
]
