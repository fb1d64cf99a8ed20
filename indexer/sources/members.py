"""Members: the images in an archive, and those below a remote root, with what lies beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from blipsearch.contents import Stamp, is_web, list_remote, members_of, stamp_of
from blipsearch.errors import ImageError
from blipsearch.places import Place, SourceKind
from indexer.sources.names import in_order, is_image_name, is_passed_over, suffix_of
from indexer.sources.pattern import TreePattern
from indexer.sources.records import FileListing, FoundFile, Origin
from indexer.sources.roots import deepest_root
from indexer.sources.sidecars import SIDECARS, Side, paired, sidecars_of

__all__ = ["list_archive", "list_remote_root"]


def list_archive(path: str, name: str | None = None) -> FileListing:
    """The images in an archive. One of which a part is lost speaks of those it still has."""
    try:
        members, of_file = members_of(path)
    except (OSError, ImageError) as error:
        notice = f"{path} cannot be opened: {error}"
        return FileListing(path, (), (notice,), "archive", name, reachable=False)
    stamps = {
        inner: Stamp(member.size, of_file.mtime_ns) for inner, member in members.files.items()
    }
    files = _found("archive", path, stamps)
    notices = []
    if members.passed_over:
        notices.append(
            f"{path}: {members.passed_over:,} members are links, devices or names that lead out of "
            "it, and are passed over"
        )
    only = None
    if members.damage:
        notices.append(f"{path} is damaged and may lack images: {members.damage}")
        only = frozenset(file.path for file in files)
    return FileListing(path, files, tuple(notices), "archive", name, only=only)


def list_remote_root(root: str, origins: Iterable[Origin], roots: frozenset[str]) -> FileListing:
    """The images below a remote root that origins mean and that belong to no deeper root.

    Only where an origin is the whole root does the listing speak of all of it. What is on the web
    is not looked at: it does not say what changed.
    """
    origins = list(origins)
    name = next((origin.name for origin in origins if origin.name is not None), None)
    named = {origin.file for origin in origins if origin.file is not None}
    if is_web(root):
        # A server does not say what it has, so only what is named is spoken of.
        files = _found("remote", root, dict.fromkeys(named, Stamp(0, 0)), named)
        return FileListing(root, files, (), "remote", name, only=frozenset(named))
    try:
        stamps = _named_stamps(root, named)
        for origin in origins:
            if origin.file is None:
                stamps |= _listed_stamps(root, origin, roots)
    except (OSError, ImageError) as error:
        notice = f"{root} cannot be listed: {error}"
        return FileListing(root, (), (notice,), "remote", name, reachable=False)
    files = _found("remote", root, stamps, named)
    is_whole = any((one.root, one.pattern, one.file) == (root, None, None) for one in origins)
    only = None if is_whole else frozenset(named) | {file.path for file in files}
    return FileListing(root, files, (), "remote", name, only=only)


def _named_stamps(root: str, paths: Iterable[str]) -> dict[str, Stamp]:
    found = {path: stamp_of(Place("remote", root, path)) for path in paths}
    return {path: stamp for path, stamp in found.items() if stamp is not None}


def _listed_stamps(root: str, origin: Origin, roots: frozenset[str]) -> dict[str, Stamp]:
    """The files below an origin by their path below the root, less those of deeper roots."""
    pattern = TreePattern(origin.pattern) if origin.pattern is not None else None
    has_deeper = any(one != root and one.startswith(root) for one in roots)
    stamps = {}
    for file in list_remote(origin.root):
        if pattern is not None and not pattern.takes_path(file.path):
            continue
        address = f"{origin.root.rstrip('/')}/{file.path}"
        if not has_deeper or deepest_root(address, roots) == root:
            stamps[_joined(root, origin.root, file.path)] = file.stamp
    return stamps


def _joined(root: str, folder: str, path: str) -> str:
    """A path below a folder of a root, as it is below the root."""
    between = folder[len(root) :].strip("/")
    return "/".join(part for part in (between, path) if part)


def _found(
    kind: SourceKind,
    root: str,
    stamps: Mapping[str, Stamp],
    named: Collection[str] = (),
) -> tuple[FoundFile, ...]:
    """The images among files, and all that are `named`, with sidecars and in natural order."""
    folders: dict[str, tuple[list[str], list[str]]] = {}
    for path in stamps:
        folder, _, name = path.rpartition("/")
        if path not in named and any(map(is_passed_over, path.split("/"))):
            continue
        images, sides = folders.setdefault(folder, ([], []))
        if path in named or is_image_name(name):
            images.append(name)
        elif suffix_of(name) in SIDECARS:
            sides.append(name)
    files = [
        file
        for folder, (images, sides) in folders.items()
        for file in _with_sidecars(Place(kind, root, folder), images, sides, stamps)
    ]
    return in_order(files)


def _with_sidecars(
    folder: Place, images: Iterable[str], sides: Iterable[str], stamps: Mapping[str, Stamp]
) -> Iterator[FoundFile]:
    prefix = f"{folder.path}/" if folder.path else ""
    pairs = paired(images, sides)
    for name in images:
        path = prefix + name
        beside = [Side(side, *stamps[prefix + side]) for side in pairs.get(name, ())]
        yield FoundFile(path, *stamps[path], sidecars_of(folder, beside) if beside else None)
