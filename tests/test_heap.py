"""In the service, a big buffer is the system's, not the heap's, whatever was freed before it."""

import ctypes
import os
import subprocess
import sys

import pytest

from bowstream.cli.service import unit_text

SCRIPT = """
import ctypes

class Heap(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.mallinfo2.restype = ctypes.c_void_p, [ctypes.c_void_p], Heap
libc.free(libc.malloc(1_000_000))
before = libc.mallinfo2().hblks
libc.malloc(900_000)
print("apart" if libc.mallinfo2().hblks > before else "in the heap")
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="no glibc of 2.33 or later")
@pytest.mark.parametrize(("in_service", "where"), [(False, "in the heap"), (True, "apart")])
def test_a_big_buffer_stays_out_of_the_heap_after_another_was_freed(in_service, where):
    lines = unit_text(True, []).splitlines() if in_service else []
    told = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
    environment = os.environ | dict(one.split("=") for one in told)
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == where
