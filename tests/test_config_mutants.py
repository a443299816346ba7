"""Configurations that were damaged: each is read, or refused line by line, quickly, without a secret in what is said.

`MUTANTS=10000 pytest tests/test_config_mutants.py` tries more of them.
"""

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowstream.cli.setup import personalise
from bowstream.config.file import read
from bowstream.config.sample import as_toml
from bowstream.errors import UsageError

WHOLE = """\
device = "usb-port:1-1.2"
sample_rate = 48000
hop_s = 0.3
on = 0.7
off = 0.1
[tags."clock alarm"]
alias = 'a "quoted" one'
[tags.dog]
on = 0.9
[sinks.jsonl]
path = "/tmp/x.jsonl"
rotate_mb = 2
[sinks.command]
argv = ["true", \"\"\"--password
hush\"\"\"]
[sinks.webhook]
url = "https://example.com/hush"
authorization = "Bearer hush"
[sinks.mqtt]
topic = "a/b"
password = "hush"
[sinks.clips]
only = ["cat"]
"""
PIECES = [
    *[
        "=",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        '"""',
        "'''",
        "\n",
        "\r\n",
        "#",
        ".",
        ",",
        "\\",
        "\\u0000",
        "\\ud800",
        "\\u001b",
    ],
    *["\x1b", "\0", "\x7f", "\u2028", "é" * 50, "nan", "inf", "-1", "1e400", "9" * 400, "0x1f", "true", "\\u001b"],
    *[
        "[[tags]]",
        "[sinks]",
        "tags = 1\n",
        "dog",
        "on",
        "off",
        "~nobody/x",
        "http://[",
        "http://a:99999/",
        "hop_s = 7\n",
    ],
]
PLACES = st.integers(0, len(WHOLE) + 100)
EDITS = st.one_of(
    st.tuples(PLACES, st.integers(0, 20), st.just("")),
    st.tuples(PLACES, st.integers(0, 3), st.sampled_from(PIECES)),
    st.tuples(PLACES, st.just(0), st.integers(0, len(WHOLE)).map(lambda start: WHOLE[start : start + 60])),
)


@settings(max_examples=int(os.environ.get("MUTANTS", "200")), deadline=None)
@given(st.lists(EDITS, min_size=1, max_size=6))
def test_a_damaged_configuration_is_read_or_refused(tmp_path_factory, bundle, edits):
    text = WHOLE
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    path = tmp_path_factory.getbasetemp() / "mutant.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    started_s = time.process_time()
    try:
        config = read(path)
        personalise(config, bundle)
    except UsageError as error:
        assert all(line.startswith(f"{path}:") for line in error.lines)
        assert "hush" not in str(error)
    else:
        printed = as_toml(config.settings)
        assert "hush" not in printed
        path.write_text(printed, "utf-8")
        personalise(read(path), bundle)
    assert time.process_time() - started_s < 1.0


@pytest.mark.parametrize("text", [WHOLE])
def test_the_configuration_is_whole_before_it_is_damaged(text, written, bundle):
    personalise(read(written(text)), bundle)
