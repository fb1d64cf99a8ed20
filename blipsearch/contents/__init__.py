"""Contents: opens what is at a place, be it a file, a member of an archive, or behind a URL."""

from blipsearch.contents.archives import Member, Members
from blipsearch.contents.limits import ContentLimits
from blipsearch.contents.opening import (
    Contents,
    is_there,
    members_of,
    open_content,
    open_picture,
    stamp_of,
)
from blipsearch.contents.remote import (
    EXTRA_HINTS,
    RemoteFile,
    is_web,
    list_remote,
    remote_stamp,
)
from blipsearch.contents.stamps import Stamp

__all__ = [
    "EXTRA_HINTS",
    "ContentLimits",
    "Contents",
    "Member",
    "Members",
    "RemoteFile",
    "Stamp",
    "is_there",
    "is_web",
    "list_remote",
    "members_of",
    "open_content",
    "open_picture",
    "remote_stamp",
    "stamp_of",
]
