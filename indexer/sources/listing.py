"""Listing: the image files of all that was asked for, each once, by the root they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from blipsearch.records import Source
from indexer.sources.ignoring import IGNORE_FILE
from indexer.sources.manifests import list_manifest
from indexer.sources.members import list_archive, list_remote_root
from indexer.sources.names import in_order
from indexer.sources.records import FileListing, Origin, SourceRules
from indexer.sources.roots import deepest_root
from indexer.sources.walk import Walk

__all__ = ["list_files", "list_paths"]


def list_files(
    origins: Sequence[Origin], known: Sequence[Source] = (), rules: SourceRules | None = None
) -> list[FileListing]:
    """Find the image files of all origins, each once, by the root they belong to.

    A file in a folder belongs to the deepest root above it. A folder inside a root, known from
    before or given too, is no root of its own: so no image is ever held twice under two names. An
    archive and a manifest are roots of their own wherever they lie. Folders without images have an
    empty listing, roots that cannot be looked into one that is not reachable. Hidden files and
    folders are passed over, as is what `.blipsearchignore` names, and symbolic links unless the
    rules say otherwise; files that are no images by their name count only when given by name.
    """
    rules = rules or SourceRules()
    by_kind: dict[str, list[Origin]] = {}
    for origin in origins:
        by_kind.setdefault(origin.kind, []).append(origin)
    listings = _list_folders(
        by_kind.get("folder", []), [one.root for one in known if one.kind == "folder"], rules
    )
    for origin in _each_once(by_kind.get("archive", [])):
        listings.append(list_archive(origin.root, origin.name))
    for origin in _each_once(by_kind.get("manifest", [])):
        listings.append(list_manifest(origin.root, rules, origin.name))
    remote = by_kind.get("remote", [])
    roots = _all_roots(remote, [one.root for one in known if one.kind == "remote"])
    for root, some in _by_root(remote, roots).items():
        listings.append(list_remote_root(root, some, roots))
    return sorted(listings, key=lambda listing: listing.root)


def list_paths(
    source: Source, paths: Iterable[str], rules: SourceRules | None = None
) -> FileListing:
    """Look at some paths of a known folder, absolute or below its root: files and folders.

    The listing speaks of them only, of the images below those that are folders, and of the images
    whose sidecars or ignore files they are. A folder that is gone is among them, but not the
    images that were in it.
    """
    rules = rules or SourceRules()
    if not os.path.isdir(source.root):  # noqa: PTH112  # plain strings by contract
        return _unreachable(source.root, None)
    walk = Walk([source.root], rules)
    only: set[str] = set()
    wanted: dict[str, set[str]] = {}
    for path in paths:
        full = os.path.normpath(os.path.join(source.root, path))  # noqa: PTH118  # plain strings by contract
        if full != source.root and not full.startswith(source.root.rstrip("/") + "/"):
            continue
        folder, name = os.path.split(full)
        if full == source.root or _is_own_folder(full, rules):
            walk.add_changed(full, None)
        elif name == IGNORE_FILE:
            walk.add_changed(folder, None)
        else:
            wanted.setdefault(folder, set()).add(name)
        only.add(full[len(source.root) :].lstrip("/"))
    for folder, names in wanted.items():
        if os.path.isdir(folder):  # noqa: PTH112  # plain strings by contract
            walk.add_changed(folder, names.__contains__)
    walk.follow_links()
    files = in_order(walk.found.get(source.root, {}).values())
    only.update(file.path for file in files)
    only.discard("")
    ignored = frozenset(walk.ignored.get(source.root, ()))
    said = tuple(walk.notices)
    return FileListing(source.root, files, said, only=frozenset(only), ignored=ignored)


def _is_own_folder(path: str, rules: SourceRules) -> bool:
    if os.path.islink(path) and not rules.follow_links:  # noqa: PTH114  # plain strings by contract
        return False
    return os.path.isdir(path)  # noqa: PTH112  # plain strings by contract


def _list_folders(
    origins: Sequence[Origin], known: Sequence[str], rules: SourceRules
) -> list[FileListing]:
    roots = _all_roots(origins, known)
    walk = Walk(roots, rules)
    groups = _by_root(origins, roots)
    absent: set[str] = set()
    notices: dict[str, list[str]] = {}
    for root, some in groups.items():
        if _look_through(walk, some):
            walk.follow_links()
        elif any(origin.root == root for origin in some):
            absent.add(root)
        notices[root] = [*_unused_names(root, some), *walk.notices]
        walk.notices.clear()
    listings = []
    for root in sorted({*groups, *walk.found}):
        name = _name(root, groups.get(root, []))
        found = in_order(walk.found.get(root, {}).values())
        if not found and (root in absent or root in walk.closed):
            listings.append(_unreachable(root, name, notices.get(root, ())))
            continue
        ignored = frozenset(walk.ignored.get(root, ()))
        said = tuple(notices.get(root, ()))
        listings.append(FileListing(root, found, said, name=name, ignored=ignored))
    return listings


def _look_through(walk: Walk, origins: Iterable[Origin]) -> bool:
    """Walk through origins; say whether there were any to walk through."""
    files: dict[str, list[str]] = {}
    looked = False
    for origin in origins:
        if origin.file is not None:
            files.setdefault(origin.root, []).append(origin.file)
        elif origin.reachable and os.path.isdir(origin.root):  # noqa: PTH112  # plain strings by contract
            walk.add_folder(origin.root, origin.pattern)
            looked = True
    for folder, names in files.items():
        walk.add_files(folder, dict.fromkeys(names))
    return looked or bool(files)


def _name(root: str, origins: Iterable[Origin]) -> str | None:
    names = [one.name for one in origins if one.root == root and one.name is not None]
    return names[-1] if names else None


def _unused_names(root: str, origins: Iterable[Origin]) -> list[str]:
    return [
        f"{one.root} lies in {root}, which is a source: it gets no name of its own"
        for one in origins
        if one.root != root and one.name is not None
    ]


def _unreachable(root: str, name: str | None, notices: Sequence[str] = ()) -> FileListing:
    why = tuple(notices) or (f"{root} is not there",)
    return FileListing(root, (), why, name=name, reachable=False)


def _all_roots(origins: Iterable[Origin], known: Iterable[str]) -> frozenset[str]:
    """The known roots, and the origins that lie in none of them or of each other."""
    roots = set(known)
    for origin in sorted(origins, key=lambda one: len(one.root)):
        if deepest_root(origin.root, roots) is None:
            roots.add(origin.root)
    return frozenset(roots)


def _by_root(origins: Iterable[Origin], roots: frozenset[str]) -> dict[str, list[Origin]]:
    groups: dict[str, list[Origin]] = {}
    for origin in origins:
        groups.setdefault(deepest_root(origin.root, roots) or origin.root, []).append(origin)
    return groups


def _each_once(origins: Iterable[Origin]) -> list[Origin]:
    found: dict[str, Origin] = {}
    for origin in origins:
        if origin.root not in found or origin.name is not None:
            found[origin.root] = origin
    return list(found.values())
