"""What was taught, made up: tags whose scores a test chooses, without examples."""

import numpy as np

from bowstream.model.learned import Correction, Example, Learned, LearnedTag, Row, Verdict
from bowstream.model.tags import Tag


def a_tag(bundle, name, logit=0.0, on=0.5, off=0.25):
    """A tag whose score is the same whatever sounds."""
    width = bundle.head.n_hidden
    row = Row(np.zeros(width, np.float32), logit)
    return LearnedTag(
        Tag(name, on, off),
        "2027-01-15T08:00:00+00:00",
        (Example("made up", 0.0, 1.0, np.zeros((1, width), np.int8)),),
        row,
    )


def a_correction(bundle, name, logit=2.0):
    """A correction that lowers a logit by so much, whatever sounds."""
    width = bundle.head.n_hidden
    verdict = Verdict("1m8fkp5q0n3dd", False, np.zeros(width, np.int8))
    return Correction(name, (verdict,), Row(np.zeros(width, np.float32), logit))


def taught(bundle, *tags, corrections=()):
    """All that was taught."""
    return Learned(bundle.description["sha256"], tags, corrections)
