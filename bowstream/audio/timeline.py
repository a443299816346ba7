"""How much of a stream is missing, by its own timestamps and by when it comes in."""

from __future__ import annotations

# How fast the estimate of when a stream began may move, in seconds a second: faster than any two clocks drift apart,
# too slow to follow a block that is late.
CREEP = 5e-4
# Timestamps that run so far away from the sound tell of a gap; less is how they were rounded.
GAP_S = 0.1
# What is missing has also not come in meanwhile, give or take so much; else the stream's clock was set.
SLACK_S = 0.25
# Where timestamps do not tell: sound that comes so much too late, for so long, follows a pause.
PAUSED_S, PAUSED_FOR_S = 1.0, 2.0


class Punctuality:
    """When a stream began: blocks come late, never early, so it is what the most punctual of them say.

    Parameters
    ----------
    late_s, late_for_s : sound that comes so much too late for so long was not held up on its way

    Attributes
    ----------
    began_s : when the first frame was heard, by the steady clock; None before the first block
    """

    def __init__(self, late_s: float, late_for_s: float) -> None:
        self.began_s: float | None = None
        self._late_s, self._late_for_s = late_s, late_for_s
        self._late_from_s: float | None = None
        self._least_late_s = 0.0

    def late_s(self, now_s: float, length_s: float, elapsed_s: float) -> float:
        """Return how late a block comes that is here at `now_s` and begins at `elapsed_s` of the stream."""
        began_s = now_s - length_s - elapsed_s
        if self.began_s is None:
            self.began_s = began_s
        return began_s - self.began_s

    def follow(self, late_s: float, length_s: float) -> None:
        """Let the estimate follow a block that came so late."""
        assert self.began_s is not None
        self.began_s += min(late_s, CREEP * length_s)

    def lasting_s(self, late_s: float, length_s: float, now_s: float) -> float:
        """Return by how much all sound of a while has been late, this block included; 0 if it has not been."""
        if late_s < self._late_s:
            self._late_from_s = None
            self.follow(late_s, length_s)
        elif self._late_from_s is None:
            self._late_from_s, self._least_late_s = now_s, late_s
        else:
            self._least_late_s = min(self._least_late_s, late_s)
            if now_s - self._late_from_s > self._late_for_s:
                return self._least_late_s
        return 0.0

    def settle(self) -> None:
        """Forget that sound has been late: it was accounted for."""
        self._late_from_s = None


class Timeline:
    """Finds what is missing between the blocks of a stream.

    A block whose timestamp is further on than the sound before it follows a gap, if so much time has passed here,
    too. If not, or if its timestamp is back in time, the stream's clock was set: then what is missing is found from how
    late all that follows comes, as it is without timestamps. Small steps add up, unless they take so long that they are
    drift.

    Attributes
    ----------
    jumped_s : by how much the stream's clock was set last; None if it never was
    jumps : how often that was
    late_s : how much later than at its most punctual the newest block came
    """

    def __init__(self) -> None:
        self._punctuality = Punctuality(PAUSED_S, PAUSED_FOR_S)
        self._elapsed_s = 0.0
        self._next_s: float | None = None  # the timestamp that comes next
        self._ahead_s = 0.0  # how far timestamps are ahead of the sound
        self._is_unsure = False  # whether the stream's clock was set, and timestamps do not tell of a pause then
        self.jumped_s: float | None = None
        self.jumps = 0
        self.late_s = 0.0

    @property
    def began_s(self) -> float | None:
        """When the stream's first frame was heard, by the steady clock; None until it delivers."""
        return self._punctuality.began_s

    def missing_s(self, start_s: float | None, length_s: float, now_s: float) -> float:
        """Return the seconds that are missing before a block.

        Parameters
        ----------
        start_s : its timestamp, by the stream's clock; None if it has none
        length_s : of its sound
        now_s : when it came in, by the steady clock
        """
        late_s = self._punctuality.late_s(now_s, length_s, self._elapsed_s)
        has_stamps = start_s is not None or self._next_s is not None
        missing_s = self._by_stamps(start_s, length_s, late_s) if has_stamps else 0.0
        if has_stamps and not self._is_unsure:
            self._punctuality.follow(late_s - missing_s, length_s)
        else:
            paused_s = self._punctuality.lasting_s(late_s - missing_s, length_s, now_s)
            if paused_s:
                self._punctuality.settle()
            self._is_unsure &= late_s >= PAUSED_S and not paused_s
            missing_s += paused_s
        self._elapsed_s += missing_s + length_s
        self.late_s = late_s - missing_s
        return missing_s

    def _by_stamps(self, start_s: float | None, length_s: float, late_s: float) -> float:
        missing_s = 0.0
        if start_s is not None and self._next_s is not None:
            drifted_s = CREEP * length_s
            self._ahead_s += start_s - self._next_s - min(max(self._ahead_s, -drifted_s), drifted_s)
            if GAP_S <= self._ahead_s <= late_s + SLACK_S:
                missing_s, self._ahead_s = self._ahead_s, 0.0
            elif abs(self._ahead_s) >= GAP_S:
                self.jumped_s, self._ahead_s = self._ahead_s, 0.0
                self.jumps += 1
                self._is_unsure = True
        stamp_s = self._next_s if start_s is None else start_s
        assert stamp_s is not None
        self._next_s = stamp_s + length_s
        return missing_s
