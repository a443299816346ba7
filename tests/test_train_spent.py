"""What a piece of work takes is told from what was done before and after it."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from train.common.memory import MEMORY
from train.common.spent import Spent

FRESH = """
import numpy as np
from train.common.spent import Spent
with Spent() as first:
    held = [np.ones(1 << 17) for _ in range(100)]
    del held
with Spent() as second:
    pass
print(first.peak_memory_mb, second.peak_memory_mb)
"""


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_processor_time_is_what_was_used_meanwhile_by_children_too():
    burn(0.2)
    with Spent() as idle:
        time.sleep(0.2)
    with Spent() as busy:
        burn(0.1)
        subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert idle.seconds >= 0.2 > 0.1 > idle.cpu_seconds
    assert 0.4 <= busy.cpu_seconds < 0.4 + busy.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell when a process has ended")
def test_processor_time_of_a_child_that_lives_on_is_counted():
    """Of a child's child, too; and what both had used before is not."""
    burns = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
    shell = ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait', "sh", sys.executable, "-c", burns]
    with Spent() as busy:
        child = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
    with Spent() as idle:
        time.sleep(0.1)
    child.communicate()
    assert busy.cpu_seconds > 0.25 and idle.cpu_seconds < 0.1


def test_memory_is_the_most_that_was_held_not_what_is_left():
    with Spent() as spent:
        held = np.ones(25_000_000)
        time.sleep(0.1)
        del held
    with Spent() as after:
        pass
    assert spent.peak_memory_mb > after.peak_memory_mb + 150


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps memory that has been freed")
def test_memory_that_was_freed_before_is_not_counted():
    """With the settings of training, by which glibc keeps all of it."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH], env={**os.environ, **MEMORY}, capture_output=True, text=True, check=True
    )
    first, second = map(float, done.stdout.split())
    assert first > second + 80
