"""What is of another type than a public function takes is refused in a sentence, not by what fails inside."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from signals import noise

from bowstream import AudioFile, EventTracker, Microphone, Session, Stream, Tagger, UsageError, load_bundle

SOUND = np.zeros(16_000, np.float32)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("given") / "a.wav"
    soundfile.write(path, noise(0.1), 16_000)
    return path


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda bundle: Tagger(bundle, "0.1"), "hop_s must be a number (got '0.1')"),
        (lambda bundle: Tagger(bundle, np.ones(2)), "hop_s must be a number (got array([1., 1.]))"),
        (lambda bundle: Tagger(bundle, 1.0, None), "sensitivity must be a number (got None)"),
        (lambda bundle: Tagger.load(5), "path must be a string or a Path (got 5)"),
        (lambda bundle: Tagger.load(learned=["x"]), "learned must be a string or a Path (got ['x'])"),
        (lambda bundle: load_bundle(b"x"), "path must be a string or a Path (got b'x')"),
        (lambda bundle: Tagger(bundle).tag(SOUND, "48000"), "sample_rate must be a number (got '48000')"),
        (lambda bundle: Tagger(bundle).feed(SOUND, [48_000]), "sample_rate must be a number (got [48000])"),
        (lambda bundle: Tagger(bundle).tag(SOUND).top("3"), "n must be a whole number (got '3')"),
        (lambda bundle: AudioFile(None), "path must be a string or a Path (got None)"),
        (lambda bundle: AudioFile("a.wav", 16_000), "format must be a Format (got 16000)"),
        (lambda bundle: AudioFile("a.wav", raw="16000"), "raw must be a RawFormat (got '16000')"),
        (lambda bundle: Microphone(5), "device must be a string (got 5)"),
        (lambda bundle: Microphone(sample_rate="44100"), "sample_rate must be a number (got '44100')"),
        (lambda bundle: Stream(b"rtsp://me:you@camera"), "address must be a string (got b'rtsp://***@camera')"),
        (lambda bundle: Stream("-", 16_000), "raw must be a string (got 16000)"),
        (lambda bundle: EventTracker(["dog"]), "tags must be a sequence of Tags (got ['dog'])"),
        (lambda bundle: EventTracker(bundle.tags, 0), "hop_s must be above 0 (got 0)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_of_another_type_is_refused(call, message, bundle):
    with pytest.raises(UsageError) as refusal:
        call(bundle)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hold_s": "1"}, "hold_s must be a number (got '1')"),
        ({"confirm_hops": 1.5}, "confirm_hops must be a whole number (got 1.5)"),
        ({"silence_s": "5"}, "silence_s must be a number (got '5')"),
        ({"health": 1}, "health must be a Health (got 1)"),
        ({"started_at": "2026-11-28"}, "started_at must be a datetime (got '2026-11-28')"),
        ({"name": 1}, "name must be a string (got 1)"),
        ({"highpass_hz": "20"}, "highpass_hz must be a number (got '20')"),
    ],
    ids=str,
)
def test_a_session_refuses_it_and_leaves_the_tagger_alone(given, message, recording, bundle):
    tagger = Tagger(bundle)
    tagger.feed(SOUND[:9600])
    with AudioFile(recording) as source, pytest.raises(UsageError) as refusal:
        Session(source, tagger, **given)
    assert str(refusal.value) == message
    assert tagger.position == 9600


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), Fraction(1, 2)])
def test_whatever_is_a_number_is_one(number, bundle):
    tagger = Tagger(bundle, number, number)
    assert tagger.hop_s == 0.5 and len(tagger.feed(SOUND)) == 1
