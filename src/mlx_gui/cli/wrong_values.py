"""What is wrong with a value of the command line, in words of ours: typer has those of pydantic."""

import typer
from pydantic import ValidationError


def explained(refusal: typer.BadParameter) -> typer.BadParameter:
    """The same, saying what the value is not, where pydantic has refused it."""
    refused = refusal.__cause__
    if isinstance(refused, ValidationError):
        (problem, *_) = refused.errors()
        if problem["type"] == "value_error":
            # Of a choice, which is explained already; pydantic says before it that it is an error.
            refusal.message = str(problem.get("ctx", {})["error"])
        else:
            wanted = problem["msg"].removeprefix("Input should be ").partition(", ")[0]
            refusal.message = f"{problem['input']!r} is not {wanted}."
    return refusal
