"""Event detection as the field measures it: event-based and segment-based F1 (sed_eval), PSDS (psds_eval)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream.events import Event

from .streams import Heard, is_of

# An event is right if its onset is right by so much; offsets have no say.
COLLAR_S = 0.5
SEGMENT_S = 1.0
# PSDS: what an intersection must be, and what classes taken for each other and instability cost, as DCASE's scenarios.
SCENARIOS: Mapping[str, Mapping[str, float]] = {
    "psds1": {"dtc": 0.7, "gtc": 0.7, "cttc": 0.3, "alpha_ct": 0.0, "alpha_st": 1.0},
    "psds2": {"dtc": 0.1, "gtc": 0.1, "cttc": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0},
}
MOST_FALSE_PER_HOUR = 100.0


def truth(heard: Heard, tags: Sequence[str]) -> list[Event]:
    """Return what is placed in a scene, as events of these tags."""
    return [
        Event(tag, placed.onset_s, placed.offset_s, 1.0, 1.0)
        for placed in heard.scene.placed
        for tag in placed.tags
        if tag in tags and tag not in heard.scene.may
    ]


def rows(heard: Heard, events: Sequence[Event], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return events as the packages take them; those of tags that a placed clip may have unnamed are left out."""
    return [
        {
            "filename": heard.scene.name,
            "event_label": event.tag,
            "event_onset": event.onset_s,
            "event_offset": event.offset_s,
            "onset": event.onset_s,
            "offset": event.offset_s,
        }
        for event in events
        if event.tag in tags
    ]


def f1(streams: Sequence[Heard], events: Sequence[Sequence[Event]], tags: Sequence[str]) -> dict[str, float]:
    """Return event-based and segment-based F1, precision and recall over all tags together (micro).

    Parameters
    ----------
    events : those of each stream
    """
    import sed_eval

    by_event = sed_eval.sound_event.EventBasedMetrics(
        list(tags), evaluate_onset=True, evaluate_offset=False, t_collar=COLLAR_S
    )
    by_segment = sed_eval.sound_event.SegmentBasedMetrics(list(tags), time_resolution=SEGMENT_S)
    for heard, found in zip(streams, events):
        reference, estimated = (
            sed_eval.io.dcase_util.containers.MetaDataContainer(rows(heard, one, tags))
            for one in (truth(heard, tags), found)
        )
        by_event.evaluate(reference_event_list=reference, estimated_event_list=estimated)
        by_segment.evaluate(
            reference_event_list=reference,
            estimated_event_list=estimated,
            evaluated_length_seconds=heard.scene.duration_s,
        )
    measures = {}
    for name, metrics in (("event", by_event), ("segment", by_segment)):
        overall = metrics.results_overall_metrics()["f_measure"]
        for key, short in (("f_measure", "f1"), ("precision", "precision"), ("recall", "recall")):
            # Without any event there is no precision.
            measures[f"{name}_{short}"] = round(float(np.nan_to_num(overall[key])), 4)
    return measures


def psds(
    streams: Sequence[Heard], points: Sequence[Sequence[Sequence[Event]]], tags: Sequence[str]
) -> dict[str, float]:
    """Return PSDS in both of DCASE's scenarios; nothing of fewer than two tags.

    Parameters
    ----------
    points : the events of each stream at each threshold
    """
    import pandas as pd
    from psds_eval import PSDSEval

    columns = ["filename", "onset", "offset", "event_label"]

    def frame(of_streams: Sequence[Sequence[Event]]) -> Any:
        listed = [row for heard, found in zip(streams, of_streams) for row in rows(heard, found, tags)]
        return pd.DataFrame(listed, columns=columns)

    right = [truth(heard, tags) for heard in streams]
    tags = sorted({event.tag for found in right for event in found})  # of others no rate of hits can be told
    if len(tags) < 2:  # one can be taken for no other
        return {}
    reference = frame(right)
    lengths = pd.DataFrame(
        [(heard.scene.name, heard.scene.duration_s) for heard in streams], columns=["filename", "duration"]
    )
    measures = {}
    for name, how in SCENARIOS.items():
        evaluation = PSDSEval(how["dtc"], how["gtc"], how["cttc"], ground_truth=reference, metadata=lengths)
        with warnings.catch_warnings():  # psds_eval is written for an older pandas, and says of each point twice found
            warnings.simplefilter("ignore")
            for point in points:
                evaluation.add_operating_point(frame(point))
            curve = evaluation.psds(how["alpha_ct"], how["alpha_st"]).plt
        measures[name] = round(area(curve.xp, curve.yp, MOST_FALSE_PER_HOUR) / MOST_FALSE_PER_HOUR, 4)
    return measures


def area(x: NDArray[np.float64], y: NDArray[np.float64], end: float) -> float:
    """Return the area under a staircase up to `end`; psds_eval's own fails with NumPy 2.4 where x lacks `end`."""
    steps = np.append(x[x < end], end)
    return float(np.sum(np.diff(steps) * y[: len(steps) - 1]))


def onset_errors(streams: Sequence[Heard], events: Sequence[Sequence[Event]]) -> dict[str, float]:
    """Return the median of how far onsets of events are from that of the placed sound, and what 95 % are within."""
    errors = [
        abs(event.onset_s - one.onset_s)
        for heard, found in zip(streams, events)
        for event in found
        for one in heard.scene.placed
        if is_of(event, one, one.tags)
    ]
    if not errors:
        return {}
    return {
        "onset_median_s": round(float(np.median(errors)), 3),
        "onset_95_s": round(float(np.quantile(errors, 0.95)), 3),
    }
