"""`python -m train`: sets up memory for training, then hands over to `cli.py`."""

import os
import sys

# glibc hands large buffers back to the system at every training step; with these it keeps them.
# They are read when a process starts, hence the second start.
MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

if __name__ == "__main__":
    if not MEMORY.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, "-m", "train", *sys.argv[1:]], {**MEMORY, **os.environ})
    try:
        from .cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while libraries are still loading; later ones are for `main`
        sys.exit(130)
