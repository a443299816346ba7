"""A big buffer is the system's, not the heap's, whatever was freed before it."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from bowstream.cli.heap import return_big_buffers

class Heap(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.mallinfo2.restype = ctypes.c_void_p, [ctypes.c_void_p], Heap
if sys.argv[1] == "mended":
    return_big_buffers()
libc.free(libc.malloc(1_000_000))
before = libc.mallinfo2().hblks
libc.malloc(900_000)
print("apart" if libc.mallinfo2().hblks > before else "in the heap")
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="no glibc of 2.33 or later")
@pytest.mark.parametrize(("how", "where"), [("as it is", "in the heap"), ("mended", "apart")])
def test_a_big_buffer_stays_out_of_the_heap_after_another_was_freed(how, where):
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == where
