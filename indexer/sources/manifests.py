"""Manifests: files that list images by path or URL, one a row, with what is known of each."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from blipsearch.errors import SourceError
from blipsearch.places import Place, is_url, path_of_file_url
from blipsearch.records import Given
from indexer.sources.given import CAPTION_KEYS, TAG_KEYS, given_of, plain
from indexer.sources.names import in_order
from indexer.sources.records import FileListing, FoundFile, SourceRules
from indexer.sources.rows import BadRow, Row, cell, rows_of

__all__ = ["PATH_COLUMNS", "Said", "check_manifest", "list_manifest"]

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "image", "image_path"),
    *("url", "image_url", "uri"),
)
"""What a column is called that says where an image is; the first one counts."""

_CAPTION_KEYS = (*CAPTION_KEYS, "text")

SHOWN_ROWS = 5
"""Bad rows that are told one by one."""

LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """What one row says about its image; `content` is JSON."""

    where: str
    content: bytes
    stamp: str

    def read(self) -> Given:
        """Say it. Raises SourceError, naming the row, where the catalog does not take it."""
        try:
            return given_of(json.loads(self.content), _CAPTION_KEYS)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{self.where} cannot be used: {error}") from error


def check_manifest(path: str, rules: SourceRules) -> None:
    """Raise SourceError for a manifest that cannot be read, or does not say where images are."""
    try:
        for row in rows_of(path):
            if isinstance(row, Row):
                _path_column(row.values, rules)
                return
    except (OSError, ValueError) as error:
        raise SourceError(f"source {path!r} cannot be read: {error}") from error
    except _NoColumnError as error:
        raise SourceError(f"source {path!r} {error}") from error


def list_manifest(path: str, rules: SourceRules, name: str | None = None) -> FileListing:
    """The images that a manifest lists and that are there; a path or URL counts once.

    A file that is not there is left out; it is gone for sure only where its folder has others.
    What is elsewhere is not looked at: its size and mtime are 0. Rows that say nothing
    usable are notices, a few with their line; as they may be of images that are known, the listing
    then speaks of those of the other rows only.

    A row may name any file of this machine by its absolute path, as manifests do that are made
    here; what is no picture is never shown to anybody.
    """
    found: dict[str, FoundFile] = {}
    absent: set[str] = set()
    addresses: set[str] = set()
    bad: list[str] = []
    counts = {"bad": 0, "absent": 0, "again": 0}
    try:
        for row in rows_of(path):
            try:
                file = _file(path, row, rules)
            except _AbsentError as error:
                counts["absent"] += 1
                absent.add(error.path)
                continue
            except (_NoColumnError, ValueError, RecursionError) as error:
                counts["bad"] += 1
                if counts["bad"] <= SHOWN_ROWS:
                    bad.append(f"{path}, {row.where}: {error}")
                continue
            address = os.path.normpath(Place("manifest", path, file.path).address)
            if address in addresses:
                counts["again"] += 1
                continue
            addresses.add(address)
            found[file.path] = file
    except (OSError, ValueError, SourceError) as error:
        notice = f"{path} cannot be read: {error}"
        return FileListing(path, (), (notice,), "manifest", name, reachable=False)
    files = in_order(found.values())
    only = frozenset({*found, *absent}) if counts["bad"] else None
    notices = _notices(path, bad, counts)
    unsure = _unsure(path, absent)
    return FileListing(path, files, notices, "manifest", name, only=only, unsure=unsure)


def _unsure(manifest: str, absent: set[str]) -> frozenset[str]:
    """Those of the absent files whose folders are not there or empty, as where a drive is away."""
    folders: dict[str, bool] = {}
    unsure = set()
    for path in absent:
        folder = os.path.dirname(Place("manifest", manifest, path).address)  # noqa: PTH120  # a plain str
        if folder not in folders:
            folders[folder] = _has_anything(folder)
        if not folders[folder]:
            unsure.add(path)
    return frozenset(unsure)


def _has_anything(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


class _NoColumnError(Exception):
    """Nothing in the row says where its image is."""


class _AbsentError(Exception):
    """The file of a row is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def _file(manifest: str, row: Row | BadRow, rules: SourceRules) -> FoundFile:
    """The file of a row. Raises _AbsentError where it is not there, ValueError for a bad row."""
    if isinstance(row, BadRow):
        raise ValueError(row.why)  # noqa: TRY004  # it is the row's content
    column = _path_column(row.values, rules)
    path = _path(row.values[column])
    said = {
        str(key): kept
        for key, value in row.values.items()
        if key != column
        if (kept := _kept(str(key), value, row)) is not None
    }
    given = None
    if said:
        content = json.dumps(said, allow_nan=False, sort_keys=True).encode()
        stamp = hashlib.sha256(content).hexdigest()[:32]
        given = Said(f"{manifest}, {row.where}", content, stamp)
    if is_url(path):
        return FoundFile(path, 0, 0, given)
    try:
        status = os.stat(Place("manifest", manifest, path).address)  # noqa: PTH116  # a plain str
    except (FileNotFoundError, NotADirectoryError):
        raise _AbsentError(path) from None
    except OSError as error:
        raise ValueError(f"{path!r} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path!r} is no file")
    return FoundFile(path, status.st_size, status.st_mtime_ns, given)


def _kept(key: str, value: object, row: Row) -> object:
    """A value as it is kept; a text of a CSV that is metadata may stand for something else."""
    is_metadata = key not in TAG_KEYS and key not in _CAPTION_KEYS
    if row.is_text and is_metadata and isinstance(value, str):
        value = cell(value)
    return None if value == "" else plain(value)


def _path_column(values: Mapping[str, object], rules: SourceRules) -> str:
    if rules.path_column is not None:
        if rules.path_column in values:
            return rules.path_column
        raise _NoColumnError(f"has no column {rules.path_column!r}{_columns(values)}")
    by_name: dict[str, str] = {}
    for column in values:
        by_name.setdefault(column.lower(), column)
    named = [by_name[name] for name in PATH_COLUMNS if name in by_name]
    if named:
        return next((column for column in named if values[column] not in (None, "")), named[0])
    raise _NoColumnError(
        f"has no column that says where the image is; name it with --path-column{_columns(values)}"
    )


def _columns(values: Mapping[str, object]) -> str:
    names = [str(column) for column in values]
    return f"; there are {', '.join(names[:10])}" if names else ""


def _path(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("path")  # as in the data sets of the Hub
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it does not say where the image is")
    path = value.strip()
    if path.lower().startswith("file://"):
        path = path_of_file_url(path)
    if "\0" in path or len(path) > LONGEST_PATH:
        raise ValueError(f"{path[:80]!r} is no path")
    if "::" in path and is_url(path):
        raise ValueError(f"{path[:80]!r} leads through one place to another")
    return path


def _notices(path: str, bad: list[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    notices = list(bad)
    if counts["bad"] > len(bad):
        notices.append(f"{path}: {counts['bad'] - len(bad):,} more rows cannot be used")
    if counts["absent"]:
        what = "image that is" if counts["absent"] == 1 else "images that are"
        notices.append(f"{path} lists {counts['absent']:,} {what} not there")
    if counts["again"]:
        what = "image" if counts["again"] == 1 else "images"
        notices.append(f"{path} lists {counts['again']:,} {what} more than once; the first counts")
    return tuple(notices)
