"""Work that needs MLX but serves nobody: one errand, one result, one process."""

import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.quantization import Quantization
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import ErrandDone, ErrandProgress, StartErrand, StartFailed
from mlx_gui.worker.process import limit_memory

_TEMPLATE_BYTES = 1_000_000_000
"""What a chat template that is tried may take."""


def run_errand(channel: BlockingChannel, start: StartErrand) -> int:
    """Do the errand and send its result; returns the exit code."""
    threading.Thread(target=_end_with, args=(channel,), name="receiver", daemon=True).start()

    def report(stage: str, done: int, total: int) -> None:
        channel.send(ErrandProgress(stage, done, total))

    try:
        match start.errand:
            case "probe":
                from mlx_gui.engines.device import probe

                result = msgspec.json.encode(probe(start.blas, Path(start.cache_dir)))
            case "convert-gguf":
                from mlx_gui.engines.device import prepare_process

                prepare_process(start.blas, Path(start.cache_dir))
                from mlx_gui.engines.convert.gguf import convert

                convert(Path(start.arguments["source"]), Path(start.arguments["out"]), report)
                result = b"null"
            case "quantize":
                from mlx_gui.engines.device import prepare_process

                prepare_process(start.blas, Path(start.cache_dir))
                from mlx_gui.engines.convert.packing import packing_of
                from mlx_gui.engines.convert.quantize import quantize

                quantize(
                    Path(start.arguments["source"]),
                    Path(start.arguments["out"]),
                    msgspec.convert(start.arguments, Quantization, strict=False),
                    report,
                    model_id=start.arguments["model_id"],
                    packing=packing_of(start.arguments["kind"]),
                )
                result = b"null"
            case "try-template":
                from mlx_gui.engines.text.template_trial import tried

                limit_memory(_TEMPLATE_BYTES)
                folder = start.arguments["folder"]
                trial = tried(
                    start.arguments["source"],
                    Path(folder) if folder else None,
                    msgspec.json.decode(start.arguments["arguments"], type=dict[str, Any]),
                )
                result = msgspec.json.encode(trial)
    except MlxGuiError as error:
        channel.send(StartFailed(error.info()))
        return 1
    channel.send(ErrandDone(result))
    return 0


def _end_with(channel: BlockingChannel) -> None:
    """An errand takes no further messages: a Stop or the control plane's end is the end of it."""
    channel.receive()
    os._exit(0)
