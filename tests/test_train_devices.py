"""Devices and machines that train together learn what one does, and go on when one of them was killed."""

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")

from test_train_learned import LEVEL, TINY, alike

from bowstream.model.front_end import FrontEnd
from train.learned import elsewhere, trees
from train.learned.loop import Task
from train.learned.pool import Pool
from train.learned.pools import Pools

pytestmark = pytest.mark.timeout(900)

# Uncompiled: that takes minutes and changes no sum.
UNCOMPILED = """
import tensorflow as tf
function = tf.function
tf.function = lambda inner=None, jit_compile=None: function(inner) if inner else function
"""
# A processor as two devices, which TensorFlow makes before all else.
TWO_DEVICES = """
import numpy as np
from train.learned.devices import strategy_of
strategy = strategy_of(2)
assert strategy.num_replicas_in_sync == 2
from test_train_devices import few, new_task
from train.learned import loop
pool, task = few(), new_task(context=2)
start, losses = loop.begin(task, pool), []
for scope in (tf.distribute.get_strategy(), strategy):
    with scope.scope():
        training = loop.Training(task, start)
        training.take(pool.arrays())
    losses.append([training.advance().numpy() for _ in range(4)])
    losses[-1].append([np.abs(vector.numpy()).sum() for vector in training.state[:4]])
np.testing.assert_allclose(*(np.stack(of_one) for of_one in losses), rtol=1e-4)
"""
# A machine, with a checkpoint every two steps; it may be killed before a step.
MACHINE = """
import os, signal, sys
from train.cli import main
from train.learned import loop
loop.SAY_EVERY, advance, done = 2, loop.Training.advance, []

def advanced(training):
    if len(done) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(training)
    return advance(training)

loop.Training.advance = advanced
sys.exit(main(["joint", sys.argv[1]]))
"""
NEVER = 99


def few():
    """Four streams of noise."""
    rng = np.random.default_rng(0)
    return Pool(
        steps=rng.integers(0, 90, (2000, 96), np.uint8),
        first=np.arange(0, 2000, 500, np.int32),
        length=np.full(4, 500, np.int32),
        ends=np.tile(np.arange(100, 501, 10, np.int32), 4),
        first_end=np.arange(5, dtype=np.int32) * 41,
        until=np.array([0.1, 0.5, 0.9, 1.0], np.float32),
        presence=np.eye(4, 3, dtype=np.float32),
        teacher=rng.integers(0, 90, (4, 5), np.uint8),
        taught=np.array([True, False, True, True]),
    )


def new_task(**values):
    return Task(TINY.with_values(**values), LEVEL, FrontEnd())


@pytest.fixture
def begin():
    """What starts a process of some code; none outlives the test."""
    processes = []

    def started(code, *arguments, **environment):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        command = [sys.executable, "-c", UNCOMPILED + code, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(command, env=environment, **pipes))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def begin_two(begin, folder, killed=NEVER):
    """Start two machines, the second of which is killed before a step."""
    with ExitStack() as free:
        ports = [free.enter_context(socket.socket()) for _ in range(2)]
        for port in ports:
            port.bind(("127.0.0.1", 0))
        cluster = {"worker": [f"127.0.0.1:{port.getsockname()[1]}" for port in ports]}
    names = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    return [begin(MACHINE, folder, step, TF_CONFIG=name) for step, name in zip((NEVER, killed), names)]


def ended(*machines):
    """Return what machines said, and their exit statuses."""
    said = [machine.communicate()[0] for machine in machines]
    return said, [machine.returncode for machine in machines]


def losses(said):
    """Return the step and the losses of each line that a training says."""
    return [[float(number) for number in re.findall(r"[\d.]+", line)] for line in said.splitlines() if "  step" in line]


def test_two_devices_that_share_each_batch_learn_what_one_does(begin):
    (said,), status = ended(begin(TWO_DEVICES))
    assert status == [0], said


def test_two_machines_one_of_which_is_killed_end_where_one_by_itself_does(tmp_path, begin):
    names = {"tags": ("high", "low"), "taught": tuple("abcde")}
    elsewhere.write_task(tmp_path, Pools([few]), new_task(steps=4), names)
    (alone,), status = ended(begin(MACHINE, tmp_path, NEVER))
    assert status == [0], alone
    first, last = losses(alone)
    expected, _ = trees.load_joint(tmp_path / "joint.npz")
    (tmp_path / "joint.npz").unlink()
    said, status = ended(*begin_two(begin, tmp_path, killed=3))
    assert status == [1, -9] and "a machine of the cluster is lost: start all again" in said[0], said
    assert losses(said[0]) == [pytest.approx(first, abs=0.01)] and not (tmp_path / "joint.npz").exists()
    said, status = ended(*begin_two(begin, tmp_path))
    assert status == [0, 0], said
    assert losses(said[0]) == [pytest.approx(last, abs=0.01)] and not losses(said[1])  # one of them tells and writes
    alike(expected, trees.load_joint(tmp_path / "joint.npz")[0], atol=5e-3)
