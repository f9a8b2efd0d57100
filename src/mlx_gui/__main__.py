"""The one door of the control plane's tower and of the worker's."""

import os
import sys


def main() -> None:
    """Run the command line, or be the child that `ipc.spawn` asked for.

    Ends with SystemExit; what nobody foresaw becomes one sentence instead of a traceback.
    """
    if sys.argv[1:2] == ["--role"]:
        from mlx_gui.worker.__main__ import main as run_child

        run_child(sys.argv[1:])
        return
    try:
        from mlx_gui.cli.main import run_command_line

        run_command_line()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("MLX_GUI_LOG_LEVEL") == "debug":
            raise
        raise SystemExit(
            f"Error: unexpected {type(error).__name__}: {error}. This is a fault of mlx-gui; "
            "MLX_GUI_LOG_LEVEL=debug shows where it happened."
        ) from error


if __name__ == "__main__":
    main()
