"""`python -m train`: sets up memory for training, then hands over to `cli.py`."""

import os
import sys

from .common.memory import MEMORY

if __name__ == "__main__":
    if not MEMORY.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, "-m", "train", *sys.argv[1:]], {**MEMORY, **os.environ})
    try:
        from .cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while libraries are still loading; later ones are for `main`
        sys.exit(130)
