"""What is wrong with a data set."""

from __future__ import annotations

from bowstream.errors import BowstreamError

# Problems printed at most.
SHOWN = 30


class DataError(BowstreamError):
    """A data set is not what it should be; `problems` holds a line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        super().__init__("\n".join([*problems[:SHOWN], *more]))
