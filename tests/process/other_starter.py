"""The program, whose starter model is another one.

usage: other_starter.py SHA256 FILE_BYTES ARGUMENTS…

The starter lies in the wheel of `tests.unit.catalog.wheels` as a file of that digest and size.
"""

import sys

from mlx_gui.catalog import starters
from tests.unit.catalog.wheels import demo_starter

if __name__ == "__main__":
    sha256, file_bytes, *arguments = sys.argv[1:]
    starters.EMBEDDED = demo_starter(sha256=sha256, file_bytes=int(file_bytes))
    starters.STARTERS = (starters.EMBEDDED,)
    from mlx_gui.__main__ import main

    sys.argv[1:] = arguments
    main()
