"""Sources: what the user asks to index, and the image files found there."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blipsearch.errors import SourceError
from indexer.walk import Stamp, Walk, is_image_name

__all__ = ["FileListing", "FoundFile", "Origin", "list_files", "natural_key", "resolve_sources"]

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing the user asked to index. `root` is an absolute folder that images are relative to.

    With a `pattern` only what matches it below the root is meant, with a `file` only that file
    of the root, whatever its name.
    """

    root: str
    pattern: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below a root: its path there with forward slashes, its size and mtime."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileListing:
    """The files found below one root, in natural order, and what could not be looked into."""

    root: str
    files: tuple[FoundFile, ...]
    notices: tuple[str, ...] = ()


@dataclass(slots=True)
class _Finding:
    stamps: dict[str, Stamp] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def resolve_sources(sources: Iterable[str | os.PathLike[str]]) -> list[Origin]:
    """Say what each source means: a folder, a file, or a pattern such as `photos/**/*.jpg`.

    A name that exists is never a pattern. Raises SourceError for what does not exist, cannot be
    read, or matches nothing.
    """
    return [_resolve(os.path.expanduser(os.fspath(source))) for source in sources]  # noqa: PTH111  # keeps glob characters


def list_files(origins: Sequence[Origin], known_roots: Iterable[str] = ()) -> list[FileListing]:
    """Find the image files of all origins, each once, by the root they belong to.

    A file belongs to the deepest root above it. A folder inside a root, known from before or
    given too, is no root of its own: so no image is ever held twice under two names. Folders
    without images have an empty listing. Hidden files and folders are passed over and symbolic
    links are not followed; files that are no images by their name count only when given by name.
    """
    roots = set(known_roots)
    for origin in sorted(origins, key=lambda one: len(one.root)):
        if _owner(origin.root, roots) is None:
            roots.add(origin.root)
    findings = {_owner(origin.root, roots) or origin.root: _Finding() for origin in origins}
    owners: dict[str, str | None] = {}
    for origin in origins:
        walk = _find(origin)
        for path, stamp in walk.found.items():
            folder = os.path.dirname(path)  # noqa: PTH120  # called for every file
            if folder not in owners:
                owners[folder] = _owner(folder, roots)
            root = owners[folder] or origin.root
            findings.setdefault(root, _Finding()).stamps[path] = stamp
        findings[_owner(origin.root, roots) or origin.root].notices += walk.notices
    return [_listing(root, finding) for root, finding in sorted(findings.items())]


def natural_key(path: str) -> list[list[tuple[int, int, str]]]:
    """Sort key that puts `img2` before `img10`, folder by folder, whatever the letters' case."""
    return [
        [
            (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
            for part in _DIGITS.split(segment.lower())
        ]
        for segment in path.split("/")
    ]


def _resolve(source: str) -> Origin:
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116  # a pattern need not be a path
    except (FileNotFoundError, NotADirectoryError):
        if glob.has_magic(source):
            return _resolve_pattern(source)
        raise SourceError(
            f"source {source!r} does not exist; name a folder, an image file, or a pattern "
            "in quotes such as 'photos/**/*.jpg'"
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"source {source!r} cannot be read: {error}") from error
    path = os.path.abspath(source)  # noqa: PTH100  # links stay as the user wrote them
    if stat.S_ISDIR(mode):
        _check_readable(source)
        return Origin(path)
    if stat.S_ISREG(mode):
        folder, name = os.path.split(path)
        return Origin(folder, file=name)
    raise SourceError(f"source {source!r} is neither a folder nor a file")


def _resolve_pattern(source: str) -> Origin:
    parts = Path(source).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    root = os.path.abspath(Path(*parts[:fixed]))  # noqa: PTH100  # links stay as the user wrote them
    origin = Origin(root, pattern=str(Path(*parts[fixed:])))
    try:
        if any(True for _ in Path(root).glob(origin.pattern or "")):
            return origin
    except (ValueError, NotImplementedError) as error:
        raise SourceError(f"source {source!r} is no pattern: {error}") from error
    raise SourceError(
        f"source {source!r} matches nothing; '*' stands for any part of a name, "
        "'**' for any folders"
    )


def _check_readable(folder: str) -> None:
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise SourceError(f"source {folder!r} cannot be read: {error.strerror}") from error


def _find(origin: Origin) -> Walk:
    walk = Walk()
    if origin.file is not None:
        walk.add(os.path.join(origin.root, origin.file))  # noqa: PTH118  # called for every file
    elif origin.pattern is None:
        walk.add_folder(origin.root)
    else:
        for match in sorted(Path(origin.root).glob(origin.pattern)):
            if _is_passed_over(Path(origin.root), match):
                continue
            if match.is_dir():
                walk.add_folder(str(match))
            elif is_image_name(match.name):
                walk.add(str(match))
    return walk


def _is_passed_over(root: Path, match: Path) -> bool:
    """Say whether a match is hidden, a link, or lies behind one."""
    below = match.relative_to(root).parts
    if any(part.startswith(".") for part in below):
        return True
    return any(root.joinpath(*below[:depth]).is_symlink() for depth in range(1, len(below) + 1))


def _owner(folder: str, roots: set[str]) -> str | None:
    """Name the deepest root that is this folder or lies above it."""
    while folder not in roots:
        above = os.path.dirname(folder)  # noqa: PTH120  # called for every folder
        if above == folder:
            return None
        folder = above
    return folder


def _listing(root: str, finding: _Finding) -> FileListing:
    start = len(root) if root.endswith(os.sep) else len(root) + 1
    files = [
        FoundFile(path[start:].replace(os.sep, "/"), stamp.size, stamp.mtime_ns)
        for path, stamp in finding.stamps.items()
    ]
    files.sort(key=lambda file: (natural_key(file.path), file.path))
    return FileListing(root, tuple(files), tuple(finding.notices))
