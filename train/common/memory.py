"""How training keeps memory: settings of the process, read when it starts."""

# glibc hands large buffers back to the system at every training step; with these it keeps them.
# They are read when a process starts, hence the second start.
MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
