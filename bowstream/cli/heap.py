"""The C library's heap, kept from creeping up over months."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h, and what it begins with.
M_MMAP_THRESHOLD, BIG_BYTES = -3, 128 * 1024


def return_big_buffers() -> None:
    """Have glibc return every big buffer to the system when it is freed, now and later.

    It begins like that, but each big buffer that is freed raises the size from which on a buffer counts as big. Rings,
    clips and the sound server's buffers then end up between small objects, and what they leave there is kept: a few
    megabytes in the first forty reconnections. A size that was set stays. Other C libraries have neither the habit nor
    `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, BIG_BYTES)
