"""How much of archives and of what is elsewhere is taken in at most."""

from __future__ import annotations

from dataclasses import dataclass

from blipsearch.errors import ImageTooLargeError, ImageUnreadableError

__all__ = ["ContentLimits", "check_count", "check_size"]


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """Bounds, all on bytes and seconds that really come, whatever was declared.

    `member_bytes` are of one image in an archive or elsewhere; `spool_bytes` of an unpacked tar;
    `members` are in an archive, and `archives` are kept open at a time. Of one web host `per_host`
    images are fetched at a time. An image that is elsewhere comes within `fetch_seconds`, a store's
    list of all that it has within `list_seconds`.
    """

    member_bytes: int = 512 << 20
    spool_bytes: int = 16 << 30
    members: int = 3_000_000
    archives: int = 4
    per_host: int = 4
    fetch_seconds: float = 60.0
    list_seconds: float = 1800.0


def check_size(size: int, limits: ContentLimits) -> None:
    """Raise ImageTooLargeError for more bytes than an image may have."""
    if size > limits.member_bytes:
        raise ImageTooLargeError(
            f"it has {size:,} bytes or more, over the limit of {limits.member_bytes:,} for one "
            "image; make it smaller"
        )


def check_count(members: int, limits: ContentLimits) -> None:
    """Raise ImageUnreadableError for an archive with more members than are held in memory."""
    if members > limits.members:
        raise ImageUnreadableError(
            f"it has more than {limits.members:,} members; split it or unpack it into a folder"
        )
