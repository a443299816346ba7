import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# As bowstream has it, before NumPy looks; threads of several processes that wait for each other cost processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import recordings
import warm
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from post import serving
from spoiling import Copy
from years import TWO_WEEKS_END_MS, make_up

from bowstream import load_bundle
from bowstream.archive import child
from bowstream.cli.main import main
from bowstream.learn.fit import Background
from bowstream.model.bundle import default_path
from bowstream.model.codebook import Codebook
from bowstream.model.encoder import Encoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import input_sizes
from bowstream.model.tflite import UNQUANTISED
from bowstream.sinks import reporter

# A shell that starts the tests in the background hands down that Ctrl+C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Hundreds of processes import the package: what Python compiles is kept, also where it was told not to.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
pytest_plugins = ["distribution"]

# The same examples in every run; no deadline, because a busy machine is no bug.
settings.register_profile("bowstream", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("bowstream")
# Nor what constants are in the modules that this process happens to have: finding them takes each process 2 s.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = providers.Constants


@pytest.fixture(scope="session", autouse=True)
def _warm_children():
    """Those that hear archives and make reports start warm where a command line or a sink runs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "subprocess", warm)
        patch.setattr(reporter, "subprocess", warm)
        yield


@pytest.fixture(scope="session", autouse=True)
def _everyday_sound_once(tmp_path_factory):
    """What new tags are told from is worked out once, which takes a second; the shipped bundle's for all processes."""
    known, work_out, folder = {}, Background.of, tmp_path_factory.getbasetemp()
    together = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def shared(bundle):
        kept = together / f"everyday sound {bundle.description['sha256'][:16]}"
        if not kept.exists():
            background = work_out(bundle)
            assert len(background.axes) == 2  # which takes half of the time
            part = folder / "part"
            part.write_bytes(pickle.dumps(background))
            part.replace(kept)
        return pickle.loads(kept.read_bytes())

    def of(bundle, room=()):
        key = bundle.path, bundle.description["sha256"]
        if len(room):
            return work_out(bundle, room)
        if key not in known:
            known[key] = (shared if bundle.path == default_path() else work_out)(bundle)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Background, "of", of)
        yield


@pytest.fixture(scope="session")
def bundle():
    """The bundle that is shipped, as a user loads it."""
    return load_bundle()


@pytest.fixture(scope="session")
def bundle_path():
    return default_path()


@pytest.fixture
def copy(bundle_path, tmp_path):
    """A copy of the shipped bundle, to be spoiled."""
    return Copy(bundle_path, tmp_path / "copy")


@pytest.fixture(scope="session")
def front_end():
    return FrontEnd()


@pytest.fixture(scope="session")
def reference():
    """What librosa and Pillow say; see reference/make.py."""
    with np.load(Path(__file__).parent / "reference" / "front_end.npz", allow_pickle=False) as arrays:
        return dict(arrays)


class StubNetwork:
    """A random projection whose sums are exact in float32, so that no product order can change a bit."""

    quantisation = UNQUANTISED

    def __init__(self, n_inputs, n_outputs, seed):
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        rng = np.random.default_rng(seed)
        self._weights = rng.integers(-1, 2, (n_inputs, n_outputs)).astype(np.float32)

    def __call__(self, rows):
        return np.rint(rows * np.float32(16.0)) @ self._weights


@pytest.fixture(scope="session")
def stub_encoders(front_end):
    """Encoders with exact random networks: quick, and easy to reason about."""
    rng = np.random.default_rng(7)
    encoders = {}
    for seed, (family, size) in enumerate(input_sizes(front_end).items()):
        network = StubNetwork(size, 4, seed)
        examples = rng.random((8 * (seed + 1), size), np.float32) ** rng.integers(1, 20, (8 * (seed + 1), 1))
        encoders[family] = Encoder(network, Codebook(network(examples.astype(np.float32))))
    return encoders


@pytest.fixture
def replayed(capfd):
    """Replay in this process: `replayed(*arguments)` returns the exit status, the JSON objects and standard error."""

    def run(*arguments):
        status = main(["replay", "--json", *map(str, arguments)])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return status, [json.loads(line) for line in out.splitlines()], err

    return run


IMPATIENT = (str(Path(__file__).with_name("impatient.py")),)


def start(*arguments, program=("-m", "bowstream"), popen=warm.Popen, **options):
    """Start bowstream, or a program like it, in a process of its own; see `warm.Popen` and `subprocess.Popen`."""
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    environment.update(options.pop("environment", {}))
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return popen([sys.executable, *program, *map(str, arguments)], env=environment, **options)


@pytest.fixture
def bowstream():
    """Run bowstream in a process of its own: `bowstream(*arguments, input=b"")` returns status, stdout, stderr."""

    def run(*arguments, input=b"", **options):
        process = start(*arguments, stdin=subprocess.PIPE, **options)
        out, err = process.communicate(input, timeout=60)
        assert b"Traceback" not in err, err.decode()
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def written(tmp_path):
    """Write a configuration and return its path."""

    def write(text):
        path = tmp_path / "bowstream.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def two_weeks_made_up(tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "history.db"
    make_up(path, TWO_WEEKS_END_MS, days=14, per_day=40)
    return path


@pytest.fixture
def two_weeks(two_weeks_made_up, tmp_path):
    """A history of two weeks, up to 2026-09-20, with 40 events a day."""
    return Path(shutil.copy(two_weeks_made_up, tmp_path / "history.db"))


@pytest.fixture
def servers():
    """A mail server and a web server that keep what they get in `got`."""
    with serving() as both:
        yield both


@pytest.fixture
def hear(tmp_path):
    """Return what is heard of a file with these bytes."""

    def hear(content, name="recording"):
        path = tmp_path / name
        path.write_bytes(content)
        return recordings.heard(path)

    return hear
