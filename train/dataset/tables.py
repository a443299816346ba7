"""Tables: CSV files with a header, and what may be wrong with their rows."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .errors import DataError

Rows = Sequence[Mapping[str, str]]


def read_cells(file: Path) -> list[tuple[int, list[str]]]:
    """Return a CSV's lines that are not blank, each with its number; raise `DataError` if there is no such file."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except OSError as error:
        raise DataError([f"{file} cannot be read: {error.strerror}"]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([f"{file} is no CSV in UTF-8: {error}"]) from error


def read_rows(file: Path, *columns: str) -> list[dict[str, str]]:
    """Return a CSV's rows; raise `DataError` unless it has these columns, filled, and at least one row."""
    (_, header), *lines = read_cells(file) or [(0, [])]
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            [
                f"{file}: wanted columns {', '.join(columns)}, {', '.join(missing)} not found in its first line: "
                f"{','.join(header) or 'it is empty'}"
            ]
        )
    if not lines:
        raise DataError([f"{file}: there are no rows in it"])
    times = Counter(filter(None, header))
    odd = [f"{file}: there are two columns {column!r}" for column, number in times.items() if number > 1]
    odd += [f"{file}: line {line} has more cells than the header" for line, cells in lines if len(cells) > len(header)]
    rows = [dict.fromkeys(header, "") | dict(zip(header, cells)) for _, cells in lines]
    odd += [
        f"{file}: line {line} has no {column}"
        for (line, _), row in zip(lines, rows)
        for column in columns
        if not row[column]
    ]
    stop_at(odd)
    return rows


def ambiguous(file: Path, rows: Rows, column: str, other: str) -> Iterator[str]:
    """Name values of a column that have several of another one beside them, where the table has both."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.get(column) and other in row:
            found[row[column]].add(row[other])
    for value, others in found.items():
        if len(others) > 1:
            several = ", ".join(sorted(others)[:5])
            yield f"{file}: wanted one {other} for {column} {value!r}, found {several}"


def stop_at(problems: Iterable[str]) -> None:
    """Raise `DataError` if there are problems."""
    found = list(problems)
    if found:
        raise DataError(found)


def readable(label: str) -> str:
    """Return a label with spaces for underscores."""
    return label.replace("_", " ").strip()
