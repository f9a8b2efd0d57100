"""`mlx-gui`, noting the engine's own time of every answer: python -m bench.tapped FILE ARGUMENT…

The engine reports it with each answer's end; no API shows it.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from mlx_gui.__main__ import main
from mlx_gui.control.dispatch import Dispatch
from mlx_gui.core.generation import GenerateRequest, GenerationEvent, Usage
from mlx_gui.core.model import Model


def note_usage(notes: Path) -> None:
    """Have every answer append a line to `notes`: its prefill in milliseconds."""
    generate = Dispatch.generate

    async def noting(
        self: Dispatch, model: Model, request: GenerateRequest, *, request_id: str
    ) -> AsyncGenerator[GenerationEvent]:
        async with aclosing(generate(self, model, request, request_id=request_id)) as events:
            async for event in events:
                if isinstance(event, Usage):
                    with notes.open("a", encoding="utf-8") as file:
                        file.write(f"{event.prefill_ms}\n")
                yield event

    Dispatch.generate = noting


if __name__ == "__main__":
    note_usage(Path(sys.argv.pop(1)))
    main()
