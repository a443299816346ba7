"""Where arrays lie in memory."""

import numpy as np
import pytest

from bowstream.model.memory import LINE_BYTES, aligned, aligned_empty


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
@pytest.mark.parametrize("shape", [(1,), (513, 96), (2, 3, 5)])
def test_an_aligned_copy_is_the_same_at_the_beginning_of_a_line(shape, dtype):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for given in (values, values.T, values[::-1]):
        copy = aligned(given)
        assert np.array_equal(copy, given) and copy.dtype == given.dtype
        assert copy.ctypes.data % LINE_BYTES == 0 and copy.flags.c_contiguous
        assert not np.shares_memory(copy, given)


def test_an_empty_one_can_be_written():
    room = aligned_empty((7, 3), np.float32)
    room[:] = 1.0
    assert room.ctypes.data % LINE_BYTES == 0 and room.sum() == 21.0
