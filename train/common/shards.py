"""Shards: rows of arrays in Parquet files, each of which holds items that were dealt to it at random.

A few shards are thus a fair sample of all; see `reels`. Each is made by itself, by any process or machine.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream.archive.files import pyarrow_modules, replaced

# Rows by the name of what they are of, as many of each.
Arrays = Mapping[str, NDArray[Any]]
Index = NDArray[np.intp]

NAME = "shard-{:05}.parquet"
# An item is a recording: at most so many in a shard, and so many bytes of them.
SHARD_ITEMS, SHARD_BYTES = 100, 1 << 26
# What is read at a time.
GROUP_BYTES = 1 << 20
# Of the chance by which items are dealt.
SEED = 7


def deal(sizes: Sequence[int]) -> list[Index]:
    """Return which items each shard holds, dealt at random; the same for as many items of the same sizes in bytes."""
    shards: list[list[int]] = []
    filled = SHARD_BYTES
    for item in np.random.default_rng(SEED).permutation(len(sizes)).tolist():
        if filled + sizes[item] > SHARD_BYTES or len(shards[-1]) == SHARD_ITEMS:
            shards.append([])
            filled = 0
        shards[-1].append(item)
        filled += sizes[item]
    return [np.array(items, np.intp) for items in shards]


@dataclass(frozen=True)
class Shards:
    """The shards in a folder, numbered from 0; rows are numbered through all of them."""

    folder: Path

    def file(self, number: int) -> Path:
        """Return the file of a shard, which is there if it is whole."""
        return self.folder / NAME.format(number)

    def write(self, number: int, parts: Iterable[Arrays]) -> None:
        """Write a shard, whole or not at all, from rows that come in parts, at least one."""
        pyarrow, parquet = pyarrow_modules()
        with replaced(self.file(number)) as file:
            writer = None
            for arrays in parts:
                table = as_table(pyarrow, arrays)
                writer = writer or parquet.ParquetWriter(
                    file, table.schema, compression="zstd", use_dictionary=False, write_statistics=False
                )
                writer.write_table(table, max(1, GROUP_BYTES * len(table) // max(1, table.nbytes)))
            if writer is None:
                raise ValueError("a shard must have a part")
            writer.close()

    @functools.cached_property
    def groups(self) -> list[list[int]]:
        """The rows of each group of rows of each shard."""
        _, parquet = pyarrow_modules()
        metadata = [parquet.read_metadata(file) for file in sorted(self.folder.glob("shard-*.parquet"))]
        return [[each.row_group(group).num_rows for group in range(each.num_row_groups)] for each in metadata]

    @functools.cached_property
    def first(self) -> Index:
        """The first row of each shard, and the end."""
        return np.concatenate([[0], np.cumsum([sum(rows) for rows in self.groups], dtype=np.intp)])

    def __len__(self) -> int:
        return len(self.groups)

    def parts(self, number: int, names: Collection[str]) -> Iterator[Arrays]:
        """Yield what is asked for of a shard's rows, a group of them at a time."""
        return self._read(number, names, range(len(self.groups[number])))

    def whole(self, number: int, names: Collection[str]) -> Arrays:
        """Return what is asked for of a shard's rows."""
        return joined(list(self.parts(number, names)))

    def take(self, rows: Index, name: str) -> NDArray[Any]:
        """Return any rows of an array, in their order."""
        order = np.argsort(rows, kind="stable")
        ordered, found = rows[order], []
        for number in np.unique(np.searchsorted(self.first, ordered, "right") - 1).tolist():
            ends = self.first[number] + np.cumsum(self.groups[number])
            of_shard = ordered[(ordered >= self.first[number]) & (ordered < ends[-1])]
            group = np.searchsorted(ends, of_shard, "right")
            asked = np.unique(group).tolist()
            for place, arrays in zip(asked, self._read(number, [name], asked)):
                begin = ends[place] - self.groups[number][place]
                found.append(arrays[name][of_shard[group == place] - begin])
        taken = np.empty((len(rows), *found[0].shape[1:]), found[0].dtype)
        taken[order] = np.concatenate(found)
        return taken

    def _read(self, number: int, names: Collection[str], groups: Iterable[int]) -> Iterator[Arrays]:
        _, parquet = pyarrow_modules()
        with parquet.ParquetFile(self.file(number)) as file:
            for group in groups:
                yield as_arrays(file.read_row_group(group, columns=list(names), use_threads=False))


@dataclass(frozen=True)
class Rows:
    """An array of shards whose rows are read where they are asked for."""

    shards: Shards
    name: str

    def __len__(self) -> int:
        return int(self.shards.first[-1])

    def __getitem__(self, rows: Index) -> NDArray[Any]:
        return self.shards.take(rows, self.name)


def as_table(pyarrow: Any, arrays: Arrays) -> Any:
    """Return rows as a table: bytes with their form beside them, plain numbers as such."""
    columns, form = {}, []
    for name, values in arrays.items():
        if values.ndim == 1:
            columns[name] = pyarrow.array(values)
        else:
            # A row without values is a byte.
            content = values if math.prod(values.shape[1:]) else np.zeros((len(values), 1), np.uint8)
            kind = pyarrow.binary(math.prod(content.shape[1:]) * content.itemsize)
            buffer = pyarrow.py_buffer(np.ascontiguousarray(content))
            columns[name] = pyarrow.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, buffer])
        metadata = {"dtype": values.dtype.name, "shape": json.dumps(values.shape[1:])}
        form.append(pyarrow.field(name, columns[name].type, metadata=metadata))
    return pyarrow.table(list(columns.values()), pyarrow.schema(form))


def as_arrays(table: Any) -> Arrays:
    """Return the rows of a table that `as_table` made."""
    arrays = {}
    for field in table.schema:
        column, form = table.column(field.name).combine_chunks(), field.metadata
        if shape := json.loads(form[b"shape"]):
            dtype = np.dtype(form[b"dtype"].decode())
            values = np.frombuffer(column.buffers()[1], dtype, len(column) * math.prod(shape))
            arrays[field.name] = values.reshape(len(column), *shape)
        else:
            arrays[field.name] = column.to_numpy(zero_copy_only=False)
    return arrays


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Return rows one after the other."""
    return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
