"""What decodes around damage is heard, the damage is said with its place, and results are kept in every form."""

import csv
import io
import json

import numpy as np
import pytest
import recordings
from recordings import JOINED, sound

from bowstream.audio.containers.flac import frame_after


@pytest.mark.parametrize("name", ["ogg", "mp3", "flac"])
def test_what_decodes_around_damage_is_heard(name, hear):
    """The damage is said with its place."""
    content = bytearray(JOINED[name](sound(6.0)))
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(range(100, 200)) * 3
    frames, _, complaint = hear(bytes(content))
    assert len(frames) > 4 * 16_000
    assert "damaged" in complaint and "the rest was heard" in complaint
    place_s = float(complaint.split(" at ")[1].split(" s")[0])
    assert 1.0 < place_s < 4.0


def test_what_follows_damage_in_a_flac_stays_where_it_was(hear):
    """Frames that cannot be decoded are silence; several places are told one by one."""
    content = bytearray(recordings.flac(sound(6.0)))
    whole = hear(bytes(content))[0]
    for share in (0.3, 0.6):
        at = int(share * len(content))
        content[at : at + 20] = bytes(20)
    frames, _, complaint = hear(bytes(content))
    assert len(frames) == len(whole)
    same = (frames == whole).mean()
    assert 0.85 < same < 0.99 and not frames[frames != whole].any()
    assert complaint.count("s are silence, at ") == 2
    places = [float(part.split(" s")[0]) for part in complaint.split(", at ")[1:]]
    assert places == pytest.approx([1.8, 3.6], abs=0.5)


def test_junk_between_the_frames_of_a_flac_costs_nothing(hear):
    """As a lost piece of a stream, or half a frame at its beginning."""
    content = recordings.flac(sound(6.0))
    whole = hear(content)[0]
    at, begins = frame_after(content, 60_000, content[:42], 0, 1 << 40)
    frames, _, complaint = hear(content[:at] + bytes(range(200)) + content[at:])
    assert np.array_equal(frames, whole) and begins > 0
    assert "damaged" in complaint
    first = content.index(b"\xff\xf8")
    part, _, complaint = hear(content[:first] + content[at:])
    assert np.array_equal(part, whole[begins:])


@pytest.mark.parametrize("name", JOINED)
def test_what_is_there_of_a_cut_file_is_heard(name, hear):
    content = JOINED[name](sound(6.0))
    frames, _, complaint = hear(content[: len(content) // 2])
    assert 1.5 < len(frames) / 16_000 < 4.0
    assert "truncated" in complaint


def test_results_are_kept_in_every_form(tmp_path, bowstream):
    """A damaged last frame costs what was heard before it nothing."""
    content = bytearray(recordings.flac(sound(3.0)))
    content[-3000:-2900] = bytes(100)
    path = tmp_path / "damaged.flac"
    path.write_bytes(content)
    config = tmp_path / "bowstream.toml"
    config.write_text("on = 0.02\noff = 0.01\n")
    for form in ("--json", "--csv", None):
        status, out, err = bowstream(
            "replay", "--config", config, *([form] if form else []), path, environment={"COLUMNS": "200"}
        )
        assert status == 1
        assert err.splitlines()[-1].startswith(f"bowstream: {path}: truncated or damaged: ") and " s; " in err
        if form == "--json":
            last = json.loads(out.splitlines()[-1])
            assert last["windows"] == 3 and last["scores"] and last["error"]
        elif form == "--csv":
            assert list(csv.DictReader(io.StringIO(out)))
        else:
            assert " 2.8 s " in out
