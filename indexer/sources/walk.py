"""Walk: the image files below folders and what lies beside them, each folder read once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from blipsearch.images import SUFFIXES
from blipsearch.places import Place
from indexer.sources.ignoring import IGNORE_FILE, Ignores, read_ignores
from indexer.sources.names import is_passed_over, suffix_of
from indexer.sources.pattern import States, TreePattern
from indexer.sources.records import FoundFile, SourceRules
from indexer.sources.roots import below, deepest_root
from indexer.sources.sidecars import (
    SIDECARS,
    Side,
    Sidecars,
    paired,
    possible_sides,
    sidecars_of,
)

__all__ = ["Walk"]

Wanted = Callable[[str], bool]
"""Whether an image or a sidecar is wanted, by its name in its folder."""

_Entries = dict[str, os.DirEntry[str]]


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to look into, and the ignore files that count in it.

    `real` is its path without links, where links are followed; else as it is, and empty where what
    is taken was told apart by other means. `states` is how far
    the `pattern` has come; without one everything below is meant.
    """

    path: str
    real: str
    root: str
    ignores: Ignores
    pattern: TreePattern | None = None
    states: States = frozenset()

    def takes(self, name: str) -> bool:
        """Whether a file in it is meant."""
        return self.pattern is None or self.pattern.takes_file(self.states, name)

    def below(self, name: str, path: str, real: str) -> _Folder | None:
        """A folder in it; None where nothing there can be meant."""
        inner = replace(self, path=path, real=real)
        if self.pattern is None:
            return inner
        states = self.pattern.step(self.states, name)
        if not states:
            return None
        whole = self.pattern.takes_folder(states)
        return replace(inner, pattern=None if whole else self.pattern, states=states)


class Walk:
    """Collects image files by the root they belong to: the deepest of `roots` above them.

    `found` is, for each root, the files by their path there, and `ignored` what an ignore file
    leaves out. `closed` are the folders that could
    not be looked into, of which `notices` say why. Hidden files and folders are passed over, and so
    are those that systems and tools keep for themselves and what an ignore file names.
    """

    def __init__(self, roots: Iterable[str], rules: SourceRules) -> None:
        self.found: dict[str, dict[str, FoundFile]] = {}
        self.ignored: dict[str, set[str]] = {}
        self.notices: list[str] = []
        self.closed: set[str] = set()
        self._roots = frozenset(roots)
        self._follows = rules.follow_links
        self._real_roots: frozenset[str] = frozenset()
        if self._follows:
            self._real_roots = frozenset(map(os.path.realpath, self._roots))
        self._seen: set[tuple[str, TreePattern | None, States]] = set()
        self._real_files: dict[str, str] = {}
        self._links: list[tuple[os.DirEntry[str], _Folder]] = []

    def add_folder(self, path: str, pattern: str | None = None) -> None:
        """Take every image file in a folder and below, or those that match a pattern there."""
        top = self._start(path)
        if pattern is not None:
            tree = TreePattern(pattern)
            if not tree.takes_folder(tree.start):
                top = replace(top, pattern=tree, states=tree.start)
        self._descend(top)

    def add_files(self, path: str, names: Iterable[str]) -> None:
        """Take files of one folder, whatever their names; those that vanished are left out."""
        try:
            with os.scandir(path) as entries:
                sides = {one.name: one for one in entries if suffix_of(one.name) in SIDECARS}
        except OSError:
            sides = {}  # a folder that may be gone through, but not listed
        self._take(self._start(path), _statuses((name, f"{path}/{name}") for name in names), sides)

    def add_changed(self, path: str, wanted: Wanted | None) -> None:
        """Take a folder's images that are wanted, or whose sidecars are; all below with None.

        Nothing where the folder, or one above it up to its root, is passed over or ignored.
        """
        folder = self._start(path)
        if self._is_left_out(folder):
            return
        if wanted is None:
            self._descend(folder)
            return
        images, sides, _ = self._listed(folder)
        pairs = paired(images, sides)
        chosen = {
            name: entry
            for name, entry in images.items()
            # What is beside it, and what may have been and is gone.
            if any(map(wanted, (name, *pairs.get(name, ()), *possible_sides(name))))
        }
        self._take(folder, _statuses(chosen.items()), sides)

    def follow_links(self) -> None:
        """Look where the links lead that were met; last, so that a file is found where it is."""
        while self._links:
            links, self._links = self._links, []
            for entry, folder in sorted(links, key=lambda link: link[0].path):
                self._follow(entry, folder)

    def _start(self, path: str) -> _Folder:
        """A folder, with the ignore files that lie between it and its root."""
        root = deepest_root(path, self._roots) or path
        ignores = Ignores()
        for higher in _chain(root, path)[:-1]:  # its own is read when it is listed
            ignores = self._with_own(higher, ignores)
        real = os.path.realpath(path) if self._follows else path
        return _Folder(path, real, root, ignores)

    def _is_left_out(self, folder: _Folder) -> bool:
        for path in _chain(folder.root, folder.path)[1:]:
            if is_passed_over(os.path.basename(path)):  # noqa: PTH119  # plain strings by contract
                return True
            if os.path.islink(path) and not self._follows:  # noqa: PTH114  # plain strings by contract
                return True
            if self._leaves_out(folder, path, is_folder=True):
                return True
        return False

    def _descend(self, top: _Folder) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            key = folder.real, folder.pattern, folder.states
            if key in self._seen:
                continue
            self._seen.add(key)
            images, sides, folders = self._listed(folder)
            waiting += folders
            self._take(folder, _statuses(images.items()), sides)

    def _listed(self, folder: _Folder) -> tuple[_Entries, _Entries, list[_Folder]]:
        """A folder's images, sidecars and folders that count; links are put aside."""
        images: _Entries = {}
        sides: _Entries = {}
        folders: list[_Folder] = []
        listed = self._scanned(folder.path)
        if any(entry.name == IGNORE_FILE for entry in listed):
            folder = replace(folder, ignores=self._with_own(folder.path, folder.ignores))
        for entry in listed:
            name = entry.name
            if is_passed_over(name):
                continue
            suffix = suffix_of(name)
            if entry.is_symlink():
                if self._follows:
                    self._links.append((entry, folder))
            elif _is_folder(entry):
                folders += self._inner(folder, entry)
            elif suffix in SUFFIXES:
                if folder.takes(name) and not self._ignores(folder, entry):
                    images[name] = entry
            elif suffix in SIDECARS:
                sides[name] = entry
        return images, sides, folders

    def _scanned(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError as error:
            self.notices.append(f"{folder} cannot be looked into: {error.strerror or error}")
            self.closed.add(folder)
            return []

    def _ignores(self, folder: _Folder, entry: os.DirEntry[str]) -> bool:
        if not folder.ignores:
            return False
        return self._leaves_out(folder, entry.path, is_folder=_is_folder(entry))

    def _leaves_out(self, folder: _Folder, path: str, *, is_folder: bool) -> bool:
        if not folder.ignores.leave_out(path, is_folder=is_folder):
            return False
        self.ignored.setdefault(folder.root, set()).add(below(folder.root, path))
        return True

    def _inner(self, folder: _Folder, entry: os.DirEntry[str]) -> list[_Folder]:
        """A folder in a folder, where it is to be looked into."""
        if self._ignores(folder, entry):
            return []
        path = entry.path
        real = f"{folder.real.rstrip('/')}/{entry.name}" if self._follows else path
        inner = folder.below(entry.name, path, real)
        if inner is not None and path in self._roots:
            inner = replace(inner, root=path)
        return [] if inner is None else [inner]

    def _with_own(self, folder: str, above: Ignores) -> Ignores:
        try:
            return read_ignores(folder, above)
        except FileNotFoundError:
            return above
        except OSError as error:
            why = error.strerror or error
            self.notices.append(f"{folder}/{IGNORE_FILE} does not count: it cannot be read: {why}")
            return above

    def _follow(self, entry: os.DirEntry[str], folder: _Folder) -> None:
        """Look where a link leads; what lies below another root is left to that one."""
        real = os.path.realpath(entry.path)
        is_folder = os.path.isdir(real)  # noqa: PTH112  # plain strings by contract
        if self._leaves_out(folder, entry.path, is_folder=is_folder):
            return
        if deepest_root(real, self._real_roots) not in (None, os.path.realpath(folder.root)):
            return
        if is_folder:
            inner = folder.below(entry.name, entry.path, real)
            if inner is not None:
                self._descend(inner)
        elif (
            suffix_of(entry.name) in SUFFIXES
            and folder.takes(entry.name)
            and self._is_first(real, entry.path)
        ):
            self._take(replace(folder, real=""), _statuses([(entry.name, entry.path)]), {})

    def _take(self, folder: _Folder, images: Mapping[str, os.stat_result], sides: _Entries) -> None:
        """Keep a folder's files, with what lies beside them."""
        found = self.found.setdefault(folder.root, {})
        relative = below(folder.root, folder.path)
        prefix = f"{relative}/" if relative else ""
        beside = _beside(Place("folder", folder.root, relative), images, sides) if sides else {}
        for name, status in images.items():
            path = prefix + name
            if self._follows and folder.real:
                real = f"{folder.real.rstrip('/')}/{name}"
                if not self._is_first(real, f"{folder.path}/{name}"):
                    continue
            found[path] = FoundFile(path, status.st_size, status.st_mtime_ns, beside.get(name))

    def _is_first(self, real: str, path: str) -> bool:
        """Say whether a file was not found under another path before."""
        return self._real_files.setdefault(real, path) == path


def _chain(root: str, path: str) -> list[str]:
    """A root, and the folders from there to a path below it, which is the last."""
    chain = [root]
    for name in below(root, path).split("/"):
        if name:
            chain.append(f"{chain[-1].rstrip('/')}/{name}")
    return chain


def _beside(folder: Place, images: Iterable[str], sides: _Entries) -> dict[str, Sidecars]:
    """The sidecars of images, by name; each sidecar is looked at once."""
    pairs = paired(images, sides)
    names = {side for belonging in pairs.values() for side in belonging}
    statuses = _statuses((name, sides[name]) for name in names)
    found = {}
    for image, belonging in pairs.items():
        known = [
            Side(name, statuses[name].st_size, statuses[name].st_mtime_ns)
            for name in belonging
            if name in statuses
        ]
        if known:
            found[image] = sidecars_of(folder, known)
    return found


def _statuses(files: Iterable[tuple[str, str | os.DirEntry[str]]]) -> dict[str, os.stat_result]:
    """What shows that files changed; without those that are none, or gone."""
    return {name: status for name, status in _looked_at(files) if stat.S_ISREG(status.st_mode)}


def _looked_at(
    files: Iterable[tuple[str, str | os.DirEntry[str]]],
) -> Iterator[tuple[str, os.stat_result]]:
    for name, file in files:
        try:
            if isinstance(file, str):
                yield name, os.stat(file)  # noqa: PTH116  # called for every file
            else:
                yield name, file.stat(follow_symlinks=False)  # a listed link is no file of its own
        except OSError:
            continue


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
