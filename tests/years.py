"""A history that is made up: days of events, listening and minutes, without a session."""

import json
import sqlite3

import numpy as np

from bowstream._ids import event_id
from bowstream.audio.clock import utc
from bowstream.history.spans import DAY_MS
from bowstream.history.store import Store

# Where the two weeks of the fixture end: 2026-09-21, in UTC.
TWO_WEEKS_END_MS = 1_789_948_800_000
TAGS = ("dog", "rain", "glass breaking", "coughing", "siren")


def make_up(path, end_ms, days=365, per_day=500, seed=0, tags=TAGS, n_tags=50, with_minutes=None):
    """Write days that end at a moment: each with so many events and three breaks of ten minutes.

    Of each minute, or those of the last `with_minutes` days only, there are levels and scores.
    """
    rng = np.random.default_rng(seed)
    Store(path).close()
    start_ms = end_ms - days * DAY_MS
    first_minute = (days - (days if with_minutes is None else with_minutes)) * 1440
    scores = list(map(bytes, rng.integers(0, 40, (1440, n_tags), np.uint8)))
    minutes = (
        ((start_ms // 60_000 + number) * 60_000, 1, 60_000, -55.0, -40.0, scores[number % 1440])
        for number in range(first_minute, days * 1440)
    )
    ears = (
        (start_ms + part * DAY_MS // 3, 1, start_ms + (part + 1) * DAY_MS // 3 - 600_000) for part in range(3 * days)
    )
    names = json.dumps([*tags, *(f"tag {number}" for number in range(n_tags - len(tags)))])
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO streams VALUES (1, ?, NULL, 'mic', 'made up', ?, 1.0)", (start_ms, names))
        connection.executemany("INSERT INTO listening VALUES (?, ?, ?)", ears)
        connection.executemany(
            "INSERT INTO events (id, onset_ms, duration_ms, utc_offset_s, tag, peak, mean, level_dbfs, stream) "
            "VALUES (?, ?, ?, 3600, ?, ?, ?, -40.0, 1)",
            events(rng, start_ms, days, per_day, tags),
        )
        connection.executemany("INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?)", minutes)
    connection.close()


def events(rng, start_ms, days, per_day, tags):
    """Yield rows of events."""
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    for day in range(days):
        onsets_ms = start_ms + day * DAY_MS + np.sort(rng.choice(DAY_MS - 3_600_000, per_day, replace=False))
        chosen = rng.choice(len(tags), per_day, p=shares)
        peaks, lengths_ms = rng.uniform(0.6, 1.0, per_day).round(3), rng.integers(1000, 60_000, per_day)
        for onset_ms, tag, peak, length_ms in zip(*(each.tolist() for each in (onsets_ms, chosen, peaks, lengths_ms))):
            name = event_id(utc(onset_ms / 1000.0), "mic", tags[tag])
            yield name, onset_ms, length_ms, tags[tag], peak, round(peak - 0.1, 3)
