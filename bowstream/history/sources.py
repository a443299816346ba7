"""A history of several sources, and what one of them heard."""

from __future__ import annotations

from bowstream.history.queries import Connection
from bowstream.history.store import AGES


def sources(connection: Connection) -> list[str]:
    """Return the names of what was listened to, in order."""
    return [name for (name,) in connection.execute("SELECT DISTINCT source FROM streams ORDER BY source")]


def narrow(connection: Connection, source: str) -> None:
    """Let all that is asked through a connection from now on be about one source.

    Views of this connection take the names of the history's tables, so that each question stays as it is.
    """
    (name,) = connection.execute("SELECT quote(?)", (source,)).fetchone()
    connection.execute(f"CREATE TEMP VIEW streams AS SELECT * FROM main.streams WHERE source = {name}")
    for table in AGES:
        runs = f"SELECT id FROM main.streams WHERE source = {name}"
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE stream IN ({runs})")
