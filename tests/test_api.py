"""What a Python program sees: one tagger, fed with anything that is sound."""

import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import RATE, blocks, noise, scene, stereo, tone

import bowstream
from bowstream import AudioError, Tagger, UsageError
from bowstream.audio.demo import Scene
from bowstream.audio.feed import to_frames
from bowstream.audio.stream import Player

README = (Path(bowstream.__file__).parent / "README.md").read_text("utf-8")
FRONT_PAGE = Path(bowstream.__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", FRONT_PAGE.read_text("utf-8") + README, re.S)


@pytest.fixture
def tagger(bundle):
    return Tagger(bundle)


def fed(tagger, pieces, sample_rate=None):
    """The scores of a stream of blocks."""
    scores = [window for piece in pieces for window in tagger.feed(piece, sample_rate)]
    return (*scores, *tagger.finish())


def as_type(samples, kind):
    """Samples on the 16-bit grid, in another type."""
    if kind == "list":
        return samples.astype(np.float64).tolist()
    if kind.startswith("int"):
        bits = int(kind[3:])
        return (samples.astype(np.float64) * 2.0 ** (bits - 1)).astype(kind)
    return samples.astype(kind)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(0, 30_000), max_size=8),
    kind=st.sampled_from(["int16", "int32", "float32", "float64", ">i2", "list"]),
    channels=st.sampled_from([None, 1, 2, 3]),
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
)
def test_feed_is_tags_twin(sizes, kind, channels, rate, bundle):
    """Whatever the blocks are, their scores are those of the whole as float32, to the last bit."""
    sound = scene(1.35, rate)
    if channels:
        sound = np.stack([sound, *(noise(1.35, seed=n, rate=rate) for n in range(channels - 1))], axis=1)
    swapped = kind == ">i2"
    whole = as_type(sound, "int16" if swapped else kind)
    whole = whole.astype(">i2") if swapped else whole
    cuts = np.minimum(np.cumsum([0, *sizes]), len(sound)).tolist()
    pieces = [whole[first:last] for first, last in zip(cuts, [*cuts[1:], len(sound)])]
    pieces = [piece for piece in pieces if len(piece) or kind != "list"]  # an empty list has no channels
    tagger = Tagger(bundle, 0.5)
    assert fed(tagger, pieces, rate) == tagger.tag(sound, sample_rate=rate).windows


@pytest.mark.parametrize(("subtype", "kind"), [("PCM_16", "int16"), ("PCM_32", "int32"), ("FLOAT", "float32")])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_file_an_array_a_stream_and_a_session_are_one(rate, subtype, kind, tagger, tmp_path):
    path, sound = tmp_path / "scene.wav", stereo(scene(2.3, rate))
    soundfile.write(path, sound, rate, subtype)
    of_file = tagger.tag(path)
    assert of_file == tagger.tag(str(path)) == tagger.tag(as_type(sound, kind), rate)
    assert of_file.windows == fed(tagger, blocks(as_type(sound, kind), 1024), rate)
    with bowstream.AudioFile(path) as recording:
        records = list(bowstream.Session(recording, tagger))
    assert of_file.windows == tuple(record for record in records if isinstance(record, bowstream.Scores))
    ended = [record for record in records if isinstance(record, bowstream.Event) and record.offset_s is not None]
    assert list(of_file.events) == ended


def test_replay_says_the_same(tagger, replayed, tmp_path):
    path = tmp_path / "scene.wav"
    soundfile.write(path, scene(3.0), RATE, "PCM_16")
    status, objects, _ = replayed("--config", "/dev/null", path)
    windows = tagger.tag(path).windows
    hops = [each["scores"] for each in objects if each["type"] == "hop"]
    assert status == 0 and len(hops) == len(windows) == 3
    for hop, scores in zip(hops, windows):
        assert hop == pytest.approx(dict(scores), abs=1e-4)


def test_a_stream_goes_on_from_block_to_block(tagger):
    sound = tone(2.5)
    assert [len(tagger.feed(block)) for block in blocks(sound, 8000)] == [0, 1, 0, 1, 0]
    assert [scores.end_s for scores in tagger.finish()] == [3.0]
    assert tagger.finish() == []
    assert [scores.end_s for scores in tagger.feed(sound)] == [1.0, 2.0]
    tagger.reset()
    assert [scores.end_s for scores in tagger.feed(sound)] == [1.0, 2.0]


def test_tagging_a_recording_leaves_the_stream_alone(tagger):
    sound = scene(2.0)
    whole = fed(tagger, [sound])
    first = tagger.feed(sound[:20_000])
    tagger.tag(noise(1.0))
    assert (*first, *tagger.feed(sound[20_000:]), *tagger.finish()) == whole


def test_a_long_block_is_the_same_as_short_ones(bundle):
    sound = scene(13.0)
    assert tuple(Tagger(bundle).feed(sound)) == fed(Tagger(bundle), blocks(sound, 1600))


def test_the_rate_is_said_once(tagger):
    sound = scene(1.0, 48_000)
    whole = tagger.tag(sound, 48_000).windows
    assert (*tagger.feed(sound[:100], 48_000), *tagger.feed(sound[100:]), *tagger.finish()) == whole
    tagger.feed(sound, 48_000)
    with pytest.raises(UsageError, match=r"sample_rate must stay 48000 Hz in a stream \(got 16000\)"):
        tagger.feed(sound, 16_000)
    tagger.reset()
    tagger.feed(sound, 16_000)


def test_the_channels_stay(tagger):
    frames = stereo(scene(2.0))
    whole = tagger.tag(frames).windows
    before = [*tagger.feed(frames[:20_000]), *tagger.feed(np.empty((0, 3))), *tagger.feed([])]
    for wrong in (frames[:, 0], np.zeros((5, 3))):
        with pytest.raises(UsageError, match=r"a stream must keep its number of channels, 2 \(got [13]\)"):
            tagger.feed(wrong)
    assert (*before, *tagger.feed(frames[20_000:]), *tagger.finish()) == whole
    tagger.feed(frames[:, 0])


NOT_FINITE = [float("nan"), float("inf"), -float("inf"), 1e300]
NO_SOUND = {
    "scalar": (np.float32(0.5), "shape"),
    "cube": (np.zeros((2, 2, 2)), "shape"),
    "no channels": (np.zeros((5, 0)), "shape"),
    "wrong way round": (np.zeros((2, 16_000)), "transpose it"),
    "ragged": ([[0.0, 0.1], [0.2]], "shape"),
    "complex": (np.zeros(5, np.complex64), "complex64"),
    "objects": (np.array([None, 1.0]), "object"),
    "text": (["a", "b"], "int16, int32 or float"),
    "bools": (np.zeros(5, bool), "bool"),
    "int64": ([1, 2, 3], "int64"),
    "uint8": (np.zeros(5, np.uint8), "uint8"),
    "bytes": (b"\0\0\0\0", "frombuffer"),
    "bytearray": (bytearray(4), "frombuffer"),
    "none": (None, "NoneType"),
    "opened file": (io.BytesIO(b"RIFF"), "BytesIO"),
}


@pytest.mark.parametrize(("wrong", "match"), NO_SOUND.values(), ids=NO_SOUND.keys())
def test_what_is_no_sound_is_refused_and_forgotten(wrong, match, tagger):
    sound = scene(2.0)
    before = tagger.feed(sound[:20_000])
    for call in (tagger.feed, tagger.tag):
        with pytest.raises(UsageError, match=match) as refusal:
            call(wrong)
        assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 200
    assert (*before, *tagger.feed(sound[20_000:])) == tagger.tag(sound).windows


@pytest.mark.parametrize("value", NOT_FINITE, ids=str)
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_not_finite_is_refused_and_forgotten(rate, value, tagger):
    sound = stereo(scene(2.0, rate))
    wrong = np.zeros((100, 2))
    wrong[50, 1] = value
    with pytest.raises(AudioError):
        tagger.feed(wrong, 8_000)  # no stream yet
    before = tagger.feed(sound[:20_000], rate)
    for call in (tagger.feed, tagger.tag):
        with pytest.raises(AudioError, match=r"samples must be finite \(got NaN or infinity\)"):
            call(wrong)
    assert (*before, *tagger.feed(sound[20_000:]), *tagger.finish()) == tagger.tag(sound, rate).windows


@pytest.mark.parametrize("rate", [0, -1, 16, 16_000.5, float("nan"), float("inf"), 10**9])
def test_a_senseless_rate_is_refused(rate, tagger):
    for call in (tagger.feed, tagger.tag):
        with pytest.raises(UsageError, match="sample_rate must be a whole number of 1000 … 768000 Hz"):
            call(scene(1.0), rate)
    assert tagger.feed(scene(1.0), np.int64(16_000))


def test_a_files_rate_is_its_own(tagger, tmp_path):
    soundfile.write(tmp_path / "a.wav", scene(1.0), RATE)
    with pytest.raises(UsageError, match="sample_rate must be left out for a file"):
        tagger.tag(tmp_path / "a.wav", sample_rate=16_000)
    with pytest.raises(AudioError, match=r"b\.wav: no such file"):
        tagger.tag(tmp_path / "b.wav")


@pytest.mark.parametrize("empty", [[], np.empty(0, np.int16), np.empty((0, 2), np.float32)], ids=["list", "1d", "2d"])
def test_nothing_has_no_scores(empty, tagger):
    assert tagger.feed(empty) == tagger.finish() == []
    with pytest.raises(AudioError, match="there is no audio in it"):
        tagger.tag(empty)


def test_a_single_sample_is_a_recording(tagger):
    assert len(tagger.tag(np.array([0.5]), sample_rate=48_000).windows) == 1


def test_integers_that_were_made_floats_are_warned_about_once(tagger):
    loud = scene(1.0) * np.float32(32768.0)
    with pytest.warns(UserWarning, match=r"must be in -1 … 1 \(got .*\): give int16 as it is") as caught:
        tagger.feed(loud)
        tagger.feed(loud)
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(UserWarning) as caught:
        tagger.tag(loud)
    assert len(caught) == 1 and caught[0].filename == __file__


def test_an_overshoot_is_no_reason_to_warn(tagger):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tagger.feed(scene(1.0) * np.float32(1.5))
        tagger.feed(np.full(100, -32768, np.int16))


def test_frames_are_scaled_by_their_type():
    assert to_frames(np.array([-32768, 16384], np.int16)).tolist() == [[-1.0], [0.5]]
    assert to_frames(np.array([[-(2**31), 2**30]], np.int32)).tolist() == [[-1.0, 0.5]]
    assert to_frames([0.5, -0.25]).dtype == np.float32


def test_a_result_says_what_was_heard(bundle, tagger):
    sound = scene(4.4)
    result = tagger.tag(sound)
    assert result.scores.shape == (5, len(tagger.tags)) and result.scores.dtype == np.float32
    assert result.times_s.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert result.tags == tagger.tags == tuple(tag.name for tag in bundle.tags)
    means = result.scores.mean(axis=0)
    assert result.top(len(tagger.tags)) == [
        (tagger.tags[i], float(means[i])) for i in np.argsort(-means, kind="stable")
    ]
    assert len(result.top()) == 3 and result.top(0) == []
    tracker = bowstream.EventTracker(bundle.tags)
    events = [event for scores in result.windows for event in tracker.push(scores)] + tracker.close(4.4)
    assert list(result.events) == [event for event in events if event.offset_s is not None]


def test_scores_are_a_mapping(tagger):
    (scores,) = tagger.feed(scene(1.0))
    assert list(scores) == list(tagger.tags) and len(scores) == len(tagger.tags)
    assert scores["dog"] == scores.array[tagger.tags.index("dog")] == dict(scores)["dog"]
    assert "unicorn" not in scores
    with pytest.raises(KeyError, match="unicorn"):
        scores["unicorn"]
    best = max(scores, key=scores.get)
    assert scores.top(1) == [(best, scores[best])]
    assert (scores.start_s, scores.end_s) == (0.0, 1.0)
    assert scores.codes.shape == (tagger.bundle.head.context, len(tagger.encoder.families))


def test_what_is_printed_is_short(bundle, tagger):
    result = tagger.tag(scene(2.0))
    assert re.fullmatch(r"Scores\(end_s=1, (\w[\w ]*=0\.\d\d, ){3}…\)", repr(result.windows[0]))
    assert re.fullmatch(r"Result\(2 windows, \d+ events, (\w[\w ]*=0\.\d\d, ){3}…\)", repr(result))
    assert repr(tagger) == f"Tagger('default', {len(tagger.tags)} tags, hop_s=1)"
    assert repr(bowstream.EventTracker(bundle.tags)) == f"EventTracker({len(tagger.tags)} tags, 0 open)"
    assert len(repr(bundle)) < 200


def test_what_a_session_prints_is_short(tagger, tmp_path):
    soundfile.write(tmp_path / "a.wav", scene(2.0), RATE)
    with bowstream.AudioFile(tmp_path / "a.wav") as recording:
        session = bowstream.Session(recording, tagger)
        printed = [repr(record) for record in session]
        assert repr(recording).endswith("a.wav', 16000 Hz, channels=1)")
    assert repr(session).endswith("a.wav', 2 windows, 0 events)")
    for text in (*printed, repr(recording), repr(session), repr(session.info), repr(Player(Scene()))):
        assert "\n" not in text and " at 0x" not in text and len(text) < 500


def test_a_session_begins_a_new_stream(tagger, tmp_path):
    """Also if the tagger has heard something before."""
    soundfile.write(tmp_path / "a.wav", scene(2.0), RATE)
    tagger.feed(noise(1.7))
    for _ in range(2):
        with bowstream.AudioFile(tmp_path / "a.wav") as recording:
            scores = [record for record in bowstream.Session(recording, tagger) if isinstance(record, bowstream.Scores)]
        assert tuple(scores) == tagger.tag(tmp_path / "a.wav").windows


def test_what_cannot_go_together_is_refused(bundle, bundle_path, tagger, tmp_path):
    soundfile.write(tmp_path / "a.wav", scene(1.0), RATE)
    for path in (tmp_path / "a.wav", "a.wav"):
        with pytest.raises(UsageError, match=r"source must be an opened AudioFile, .* \(got (PosixPath|str)\)"):
            bowstream.Session(path, tagger)
    with bowstream.AudioFile(tmp_path / "a.wav") as recording:
        with pytest.raises(UsageError, match=r"source must be .* \(got Tagger\)"):
            bowstream.Session(tagger, recording)
        with pytest.raises(UsageError, match=r"tagger must be a Tagger \(got Bundle\)"):
            bowstream.Session(recording, bundle)
    with pytest.raises(UsageError, match=r"bundle must be a loaded Bundle \(got PosixPath\): see Tagger\.load"):
        Tagger(bundle_path)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 0.15, 1.1, 10, float("nan"), float("inf")])
def test_a_senseless_hop_is_refused(hop_s, bundle):
    with pytest.raises(UsageError, match=r"hop_s must be 0\.1, 0\.2, … 1\.0 \(got "):
        Tagger(bundle, hop_s)


def test_load_takes_a_folder_and_a_hop(bundle_path):
    tagger = Tagger.load(str(bundle_path), hop_s=0.5)
    assert [scores.end_s for scores in tagger.feed(scene(2.0))] == [1.0, 1.5, 2.0]


def test_the_readme_says_what_is_public():
    section = README[README.index("## Public and private") :]
    names = [name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == bowstream.__all__ == sorted(bowstream.__all__)
    assert all(hasattr(bowstream, name) for name in bowstream.__all__)
    assert set(dir(bowstream)) == {*bowstream.__all__, "__version__"}


def test_the_front_page_is_short():
    assert len(FRONT_PAGE.read_bytes()) <= 8_000


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_what_the_readme_shows_runs(example, monkeypatch, tmp_path, capsys):
    """The microphone is a scene of 70 s, of which a few are played."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("dog.wav", scene(2.5, 44_100), 44_100)

    class Short(Scene):
        def blocks(self, block_s):
            yield from (block for block, _ in zip(super().blocks(block_s), range(round(1.5 / block_s))))

    monkeypatch.setattr(bowstream, "Microphone", lambda device: Player(Short()))
    exec(compile(example, "README.md", "exec"), {})
