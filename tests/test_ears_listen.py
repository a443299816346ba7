"""`bowstream listen` with several sources, from real sound servers' cards that come and go."""

import json
import signal

import numpy as np
import pytest
import soundcard
import soundfile
from signals import RATE, noise
from soundcard import ATTIC
from test_listen import Listening

pytestmark = pytest.mark.skipif(
    bool(soundcard.missing()),
    reason=f"no virtual sound card: apt install {' '.join(soundcard.missing())}",
)

SOURCES = """
silence_s = 3600.0
[sources.kitchen]
device = "mon"
[sources.attic]
device = "attic"
reconnect = true
hop_s = 0.5
"""


@pytest.fixture
def cards(tmp_path):
    folder = tmp_path / "cards"
    folder.mkdir()
    with soundcard.TwoCards(folder) as cards:
        yield cards


@pytest.fixture
def listening(cards, written):
    listening = Listening(cards, "--json", "--config", written(SOURCES))
    yield listening
    listening.process.kill()
    listening.process.wait()


def of(source, **fields):
    def fits(line):
        one = json.loads(line)
        return one["source"] == source and all(one.get(name) == value for name, value in fields.items())

    return fits


def test_two_cards_are_heard_and_one_that_is_unplugged_disturbs_the_other_not(cards, listening):
    listening.until(of("kitchen", type="hop"))
    listening.until(of("attic", type="hop"))
    cards.play(noise(3.0, 0.2), ATTIC)
    listening.until(lambda line: of("attic", type="hop")(line) and json.loads(line)["health"]["level_dbfs"] > -20.0)
    cards.unplug_attic()
    away = json.loads(listening.until(of("attic", kind="away")))
    assert "went away" in away["text"]
    before = [one for one in map(json.loads, listening.lines) if one["type"] == "hop" and one["source"] == "kitchen"]
    cards.play(noise(2.0, 0.2))
    listening.until(lambda line: of("kitchen", type="hop")(line) and json.loads(line)["health"]["level_dbfs"] > -20.0)
    cards.plug_attic()
    listening.until(of("attic", kind="back"))
    listening.until(of("attic", type="hop"))
    for _ in range(3):
        listening.until(of("kitchen", type="hop"))
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    hops = [one for one in listening.objects if one["type"] == "hop" and one["source"] == "kitchen"]
    assert hops[-1]["health"]["lost_s"] == 0.0
    assert [round(one["end_s"] - hops[0]["end_s"], 3) for one in hops] == [float(n) for n in range(len(hops))]
    levels = {one["health"]["level_dbfs"] > -20.0 for one in before}
    assert levels == {False}  # what is played to the attic is not heard in the kitchen
    (gap,) = [one for one in listening.objects if one["type"] == "gap"]
    assert gap["source"] == "attic" and gap["length_s"] > 1.0
    assert "kitchen: " in err and "attic: 'attic' went away" in err


def test_one_that_is_plugged_in_later_costs_the_other_a_moment(cards, written):
    """PortAudio knows it only when it starts anew, for which what is open is closed for a moment: an honest gap."""
    cards.unplug_attic()
    listening = Listening(cards, "--json", "--config", written(SOURCES))
    try:
        listening.until(of("attic", kind="away"))
        listening.until(of("kitchen", type="hop"))
        cards.plug_attic()
        listening.until(of("attic", kind="back"))
        listening.until(of("attic", type="hop"))
        for _ in range(4):
            listening.until(of("kitchen", type="hop"))
        assert listening.end(signal.SIGINT)[0] == 0
    finally:
        listening.process.kill()
        listening.process.wait()
    kitchen = [one for one in listening.objects if one["source"] == "kitchen"]
    assert not [one for one in kitchen if one["type"] == "notice"]
    lost_s = [one["health"]["lost_s"] for one in kitchen if one["type"] == "hop"][-1]
    assert lost_s == pytest.approx(sum(one["length_s"] for one in kitchen if one["type"] == "gap"), abs=0.01)
    assert lost_s < 3.0


class StereoCard(soundcard.SoundCard):
    """A card with two channels."""

    pulse = soundcard.PULSE.replace("channels=1", "channels=2")


def test_channels_that_cancel_are_noticed_and_one_of_them_can_be_heard(tmp_path, written, bowstream):
    """A sound server mixes them when it is asked for one: doctor asks for two, and so does `channels`."""
    sound = noise(30.0, 0.1)
    soundfile.write(tmp_path / "antiphase.wav", np.stack([sound, -sound], axis=1), RATE, "PCM_16")
    folder = tmp_path / "card"
    folder.mkdir()
    with StereoCard(folder) as card:
        card.play_file(tmp_path / "antiphase.wav")
        status, out, _ = bowstream("doctor", "--json", "--device", "mon", environment=card.environment)
        (found,) = [one for one in map(json.loads, out.splitlines()) if one["check"] == "microphone"]
        assert (status, found["state"]) == (0, "warn") and "its channels cancel each other" in found["found"]
        listening = Listening(card, "--json", "--config", written('device = "mon"\nchannels = [1]\n'))
        hop = json.loads(listening.until(lambda line: json.loads(line)["type"] == "hop"))
        listening.end(signal.SIGINT)
    assert hop["health"]["level_dbfs"] == pytest.approx(-20.0, abs=1.0)
