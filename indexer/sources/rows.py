"""Rows: what a manifest of JSON lines, CSV or Parquet says, one row at a time."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from blipsearch.errors import SourceError

__all__ = ["BadRow", "Row", "cell", "rows_of"]

LONGEST_LINE = 4 << 20
"""Bytes of a line; a longer one is left out without being held."""
BATCH = 1024

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?")
_DELIMITERS = ",\t;|"


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `where` it is, for people.

    Where it `is_text`, as in a CSV, every value is: `cell` says what a person means by it.
    """

    where: str
    values: Mapping[str, Any]
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    where: str
    why: str


def rows_of(path: str) -> Iterator[Row | BadRow]:
    """Read a manifest, in little memory whatever its length.

    Raises OSError where it cannot be read, and ValueError or SourceError where it is none.
    """
    suffix = path.lower().rpartition(".")[2]
    if suffix == "parquet":
        return _parquet(path)
    return _csv(path) if suffix == "csv" else _json_lines(path)


def _json_lines(path: str) -> Iterator[Row | BadRow]:
    with open(path, "rb") as file:  # noqa: PTH123  # a plain str
        for number, line in _lines(file):
            where = f"line {number:,}"
            if line is None:
                yield BadRow(where, f"it has more than {LONGEST_LINE:,} bytes")
                continue
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()
            if not text:
                continue
            try:
                values = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield BadRow(where, f"it is no JSON: {error}")
                continue
            if isinstance(values, dict):
                yield Row(where, values)
            else:
                yield BadRow(where, "it is no JSON object")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Number the lines; one that is too long is None."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE)
        yield number, None


def _csv(path: str) -> Iterator[Row | BadRow]:
    with open(path, "rb") as file:  # noqa: PTH123  # a plain str
        lines = _Decoded(file)
        delimiter, columns = _header(next(lines, ""))
        rows = csv.reader(lines, delimiter=delimiter)
        while True:
            where = f"line {lines.number + 1:,}"
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRow(where, str(error))
                continue
            if not row:
                continue
            if len(row) > len(columns):
                yield BadRow(where, f"it has {len(row)} columns, the first line {len(columns)}")
                continue
            cells = zip(columns, row, strict=False)
            values = {column: text.strip() for column, text in cells if column}
            yield Row(where, values, is_text=True)


def _header(line: str) -> tuple[str, list[str]]:
    """The delimiter, and the columns. Raises ValueError for what is no first line of a CSV."""
    if "\0" in line or line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        raise ValueError("it is not in UTF-8; save it as a CSV in UTF-8")
    delimiter = max(_DELIMITERS, key=line.count)
    try:
        header = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise ValueError(f"its first line does not name columns: {error}") from error
    columns = [column.strip() for column in header]
    if not any(columns):
        raise ValueError("its first line does not name columns")
    twice = [name for number, name in enumerate(columns) if name and name in columns[:number]]
    if twice:
        raise ValueError(f"its first line names the column {twice[0]!r} more than once")
    return delimiter, columns


class _Decoded:
    """The lines of a CSV as text; one that is too long is empty."""

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = _lines(file)
        self.number = 0

    def __iter__(self) -> _Decoded:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        encoding = "utf-8-sig" if self.number == 1 else "utf-8"
        return "" if line is None else line.decode(encoding, "surrogateescape")


def cell(text: str) -> object:
    """A cell as a person means it: a number where it is written as one, nothing where empty."""
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text or None
    return float(text) if number[2] or number[3] else int(text)


def _parquet(path: str) -> Iterator[Row | BadRow]:
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra, and heavy
        from pyarrow import parquet  # noqa: PLC0415  # an extra, and heavy
    except ImportError as error:
        raise SourceError(
            f"{path} needs another library: pip install 'blipsearch[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise ValueError("it has several columns of one name")
            columns = [name for field in file.schema_arrow for name in _light(pa, field)]
            number = 0
            for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                for values in _values(pa, _in_microseconds(pa, batch)):
                    number += 1
                    where = f"row {number:,}"
                    if values is None:
                        yield BadRow(where, "it has values that cannot be read")
                    else:
                        yield Row(where, values)
    except pa.ArrowException as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _light(pa: Any, field: Any) -> list[str]:  # noqa: ANN401  # pyarrow ships no types
    """The parts of a column that do not hold bytes, such as the images themselves."""
    if pa.types.is_struct(field.type):
        parts = [field.type.field(number) for number in range(field.type.num_fields)]
        return [f"{field.name}.{part.name}" for part in parts if not _is_heavy(pa, part.type)]
    return [] if _is_heavy(pa, field.type) else [field.name]


def _is_heavy(pa: Any, kind: Any) -> bool:  # noqa: ANN401  # as above
    """Whether values are bytes."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return True
    return bool(pa.types.is_fixed_size_binary(kind))


def _in_microseconds(pa: Any, batch: Any) -> Any:  # noqa: ANN401  # as above
    """The batch with its nanoseconds cut off, which Python's own times do not have."""
    arrays = []
    for array in batch.columns:
        kind = array.type
        coarser = None
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            coarser = pa.timestamp("us", kind.tz)
        elif pa.types.is_duration(kind) and kind.unit == "ns":
            coarser = pa.duration("us")
        elif pa.types.is_time64(kind) and kind.unit == "ns":
            coarser = pa.time64("us")
        arrays.append(array if coarser is None else array.cast(coarser, safe=False))
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _values(pa: Any, batch: Any) -> Iterator[dict[str, Any] | None]:  # noqa: ANN401  # as above
    """The rows of a batch; None for one that Python cannot hold."""
    try:
        yield from batch.to_pylist()
    except (pa.ArrowException, ValueError, LookupError, OverflowError):
        for number in range(batch.num_rows):
            try:
                (values,) = batch.slice(number, 1).to_pylist()
            except (pa.ArrowException, ValueError, LookupError, OverflowError):
                values = None
            yield values
