"""Resolving: what the words of a command line mean as sources."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from blipsearch.contents import is_web, members_of
from blipsearch.errors import BlipSearchError, SourceError
from blipsearch.places import is_url, path_of_file_url
from blipsearch.records import Source
from indexer.sources.manifests import check_manifest
from indexer.sources.names import is_archive_name, is_image_name, is_manifest_name
from indexer.sources.records import Origin, SourceRules
from indexer.sources.roots import absolute

__all__ = ["origins_of", "resolve_sources"]

_NAMED = re.compile(r"([\w.-]+)=(.+)", re.DOTALL)


def resolve_sources(
    sources: Iterable[str | os.PathLike[str]],
    known: Sequence[Source] = (),
    rules: SourceRules | None = None,
) -> list[Origin]:
    """Say what each source means.

    It is a folder, an image file, an archive, a manifest, a pattern of these such as
    `photos/**/*.jpg`, or a URL; `NAME=SOURCE` gives it a name. A name that exists is never a
    pattern. What does not exist but is the root or the name of a `known` source is an origin that
    is not reachable. Raises SourceError for what else does not exist, cannot be read, or matches
    nothing, and for a file that is no archive or manifest as its name promises.
    """
    origins: list[Origin] = []
    for source in sources:
        name, text = _split_name(os.path.expanduser(os.fspath(source)))  # noqa: PTH111  # keeps glob characters
        meant = _resolve(text, known)
        if name is not None and len(meant) != 1:
            raise SourceError(f"{name}={text!r} names {len(meant)} sources; give each its own name")
        for origin in meant:
            if origin.reachable and not any(one.root == origin.root for one in known):
                _check(origin, rules or SourceRules())
            origins.append(origin if name is None else replace(origin, name=name))
    return origins


def origins_of(sources: Iterable[Source]) -> list[Origin]:
    """The whole of sources that are known; what cannot be reached is found out when listed."""
    return [Origin(source.root, kind=source.kind) for source in sources]


def _split_name(text: str) -> tuple[str | None, str]:
    match = _NAMED.fullmatch(text)
    if match is None or os.path.lexists(text):
        return None, text
    return match[1], os.path.expanduser(match[2])  # noqa: PTH111  # keeps glob characters


def _resolve(source: str, known: Sequence[Source]) -> list[Origin]:
    source = _without_scheme(source)
    if is_url(source):
        return [_resolve_url(source)]
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116  # a pattern need not be a path
    except (FileNotFoundError, NotADirectoryError):
        before = _known(source, known)
        if before is not None:
            return [before]
        if glob.has_magic(source):
            return _resolve_pattern(source)
        raise SourceError(
            f"source {source!r} does not exist; name a folder, an image file, or a pattern "
            "in quotes such as 'photos/**/*.jpg'"
        ) from None
    except (OSError, ValueError) as error:
        before = _known(source, known)
        if before is not None:
            return [before]
        raise SourceError(f"source {source!r} cannot be read: {error}") from error
    path = absolute(source)
    if stat.S_ISDIR(mode):
        return [Origin(path)]
    if stat.S_ISREG(mode):
        return [_of_file(path)]
    raise SourceError(f"source {source!r} is neither a folder nor a file")


def _without_scheme(source: str) -> str:
    """The path where a source is a `file://` URL; else the source as it is."""
    if not source.lower().startswith("file://"):
        return source
    try:
        return path_of_file_url(source)
    except ValueError as error:
        raise SourceError(f"source {error}") from error


def _known(source: str, known: Sequence[Source]) -> Origin | None:
    """A known source of that root or name, which is not there now."""
    path = absolute(source)
    for one in known:
        if one.root == path:
            return Origin(one.root, kind=one.kind, reachable=False)
    for one in known:
        if one.name == source:
            # Its root may well be there: it is only not called so.
            return Origin(one.root, kind=one.kind)
    return None


def _resolve_url(source: str) -> Origin:
    if is_web(source):
        scheme, _, rest = source.partition("://")
        host, _, path = rest.partition("/")
        if not host or not path:
            raise SourceError(
                f"source {source!r} is a web server, which does not say what it has; name one "
                "image's URL, or a manifest with a column of URLs"
            )
        return Origin(f"{scheme.lower()}://{host}", file=path, kind="remote")
    if is_archive_name(source) or is_manifest_name(source):
        raise SourceError(
            f"source {source!r} is opened from a disk only: copy it here and name the copy"
        )
    scheme, _, rest = source.partition("://")
    parts = [part for part in rest.split("/") if part]
    fixed = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    slash = "/" if rest.startswith("/") else ""
    if fixed < len(parts):
        pattern, file = "/".join(parts[fixed:]), None
    elif parts and is_image_name(parts[-1]):
        fixed, pattern, file = fixed - 1, None, parts[-1]
    else:
        pattern = file = None
    root = f"{scheme.lower()}://{slash}{'/'.join(parts[:fixed])}"
    return Origin(root, pattern=pattern, file=file, kind="remote")


def _of_file(path: str) -> Origin:
    if is_archive_name(path):
        return Origin(path, kind="archive")
    if is_manifest_name(path):
        return Origin(path, kind="manifest")
    folder, name = os.path.split(path)
    return Origin(folder, file=name)


def _resolve_pattern(source: str) -> list[Origin]:
    parts = Path(source).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    root = absolute(Path(*parts[:fixed]))
    pattern = str(Path(*parts[fixed:]))
    origins: dict[str, Origin] = {}
    folder = None
    try:
        for match in Path(root).glob(pattern):
            path = str(match)
            if (is_archive_name(path) or is_manifest_name(path)) and match.is_file():
                origins[path] = _of_file(path)
                continue
            folder = Origin(root, pattern=pattern)
            if is_image_name(pattern):
                break  # no archive matches it: nothing more is to be found out
    except (ValueError, NotImplementedError) as error:
        raise SourceError(f"source {source!r} is no pattern: {error}") from error
    if folder is None and not origins:
        raise SourceError(
            f"source {source!r} matches nothing; '*' stands for any part of a name, "
            "'**' for any folders"
        )
    return [*([folder] if folder else []), *(origins[path] for path in sorted(origins))]


def _check(origin: Origin, rules: SourceRules) -> None:
    """Refuse what could not be listed anyway, before anything is done."""
    if origin.kind == "folder" and origin.file is None:
        try:
            os.scandir(origin.root).close()
        except OSError as error:
            raise SourceError(f"source {origin.root!r} cannot be read: {error.strerror}") from error
    elif origin.kind == "archive":
        try:
            members_of(origin.root)
        except (OSError, BlipSearchError) as error:
            raise SourceError(f"source {origin.root!r} cannot be opened: {error}") from error
    elif origin.kind == "manifest":
        check_manifest(origin.root, rules)
