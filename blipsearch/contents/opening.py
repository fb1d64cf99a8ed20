"""Opening: the one way from a place to its bytes, whatever kind of source it is in."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from blipsearch.contents.archives import Members
from blipsearch.contents.limits import ContentLimits
from blipsearch.contents.remote import check_row, info_of, is_web, open_remote, remote_stamp
from blipsearch.contents.shelf import Shelf
from blipsearch.contents.stamps import Stamp
from blipsearch.contents.web import Web
from blipsearch.errors import ImageError, ImageUnreadableError
from blipsearch.fetching import Allowed, is_public_web
from blipsearch.images import OpenedImage, cannot_be_read, open_image
from blipsearch.places import Place

__all__ = ["Contents", "is_there", "members_of", "open_content", "open_picture", "stamp_of"]

_NOT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Contents:
    """Opens what is at places, for any number of threads.

    `allowed` says which addresses the web is fetched from.
    """

    def __init__(
        self, limits: ContentLimits | None = None, allowed: Allowed = is_public_web
    ) -> None:
        self._limits = limits or ContentLimits()
        self._shelf = Shelf(self._limits)
        self._web = Web(self._limits, allowed)

    def open(self, place: Place) -> BinaryIO:
        """Open a content as a binary file that can seek, to be closed by the caller.

        Raises FileNotFoundError where nothing is there, another OSError where its disk, share or
        server does not give it now, and ImageError where it is no good however often one asks:
        damaged in its archive, too large, or at an address that is not fetched from.
        """
        if place.kind == "archive":
            return self._shelf.get(place.root)[0].open(place.path)
        address = place.address
        if place.local_file is not None:
            return _opened_file(address)
        if is_web(address):
            return self._web.open(address)
        if place.kind == "manifest":
            check_row(address)
        return open_remote(address, self._limits)

    def stamp(self, place: Place) -> Stamp | None:
        """What shows that a content changed, as an indexer sees it; None where nothing is there.

        A member of an archive has the archive's time; what is on the web is not asked for and has
        zeros. Raises OSError and ImageError where that cannot be found out.
        """
        if place.kind == "archive":
            archive, of_file = self._shelf.get(place.root)
            member = archive.members.files.get(place.path)
            return None if member is None else Stamp(member.size, of_file.mtime_ns)
        address = place.address
        if place.local_file is not None:
            try:
                status = os.stat(address)  # noqa: PTH116  # a plain str
            except (FileNotFoundError, NotADirectoryError):
                return None
            is_file = stat.S_ISREG(status.st_mode)
            return Stamp(status.st_size, status.st_mtime_ns) if is_file else None
        if is_web(address):
            return Stamp(0, 0)
        if place.kind == "manifest":
            check_row(address)
        info = info_of(address, self._limits)
        return None if info is None else remote_stamp(info)

    def is_there(self, place: Place) -> bool:
        """Say whether something is there; what cannot be looked at is not there."""
        try:
            return self.stamp(place) is not None
        except (OSError, ImageError, ValueError):
            return False

    def members(self, path: str) -> tuple[Members, Stamp]:
        """The files in an archive, and the stamp of the archive's own file.

        Raises OSError, and ImageUnreadableError where it is no archive.
        """
        archive, of_file = self._shelf.get(path)
        return archive.members, of_file


_SHARED = Contents()


def open_content(place: Place) -> BinaryIO:
    """Open a content with the usual limits. See Contents.open."""
    return _SHARED.open(place)


def stamp_of(place: Place) -> Stamp | None:
    """What shows that a content changed. See Contents.stamp."""
    return _SHARED.stamp(place)


def is_there(place: Place) -> bool:
    """Say whether a content is there. See Contents.is_there."""
    return _SHARED.is_there(place)


def members_of(path: str) -> tuple[Members, Stamp]:
    """The files in an archive. See Contents.members."""
    return _SHARED.members(path)


def open_picture(place: Place, *, max_pixels: int, network_size: int | None = None) -> OpenedImage:
    """Open a content and the image in it. Raises ImageError, as `open_image` does, and nothing
    else.
    """
    try:
        content = open_content(place)
    except OSError as error:
        raise ImageUnreadableError(cannot_be_read(error)) from error
    with content:
        return open_image(content, max_pixels=max_pixels, network_size=network_size)


def _opened_file(path: str) -> BinaryIO:
    """Open a file; a pipe or a device that has taken its place is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_WAITING)
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageUnreadableError("it is no file")
    return os.fdopen(descriptor, "rb")
