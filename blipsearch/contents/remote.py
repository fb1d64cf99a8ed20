"""Remote: what fsspec opens and lists, such as `s3://bucket/photos`; its errors become OSErrors."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem, available_protocols
from fsspec.core import url_to_fs

from blipsearch.contents.limits import ContentLimits
from blipsearch.contents.patience import Deadline, within
from blipsearch.contents.pieces import copied
from blipsearch.contents.stamps import Stamp
from blipsearch.errors import ImageError, ImageUnreadableError

__all__ = [
    "EXTRA_HINTS",
    "RemoteFile",
    "check_row",
    "info_of",
    "is_web",
    "list_remote",
    "open_remote",
    "remote_stamp",
]

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
EXTRA_HINTS = tuple(f"pip install 'blipsearch[{extra}]'" for extra in ("s3", "gcs"))
"""How the reason ends where only a library is missing."""

_WEB = frozenset({"http", "https"})
_AROUND_OTHERS = frozenset(
    (
        *("dir", "cached", "blockcache", "filecache", "simplecache", "reference", "generic"),
        *("zip", "tar", "libarchive", "async_wrapper", "asyncwrapper", "data", "dask", "pyscript"),
    )
)
"""File systems that lead into others, or nowhere."""

_STORES = frozenset(("s3", "s3a", "gs", "gcs", "memory"))
"""Where a URL names a bucket of a store that this machine is set up for, and no host."""

_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")
_DIGESTS = ("ETag", "etag", "ukey", "md5Hash", "checksum", "sha256", "content_hash")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file below a remote root: its path there, and what shows that it changed."""

    path: str
    stamp: Stamp


def is_web(url: str) -> bool:
    """Whether a URL is of http or https, which fsspec is not let near."""
    return url.partition("://")[0].lower() in _WEB


def check_row(url: str) -> None:
    """Raise ImageUnreadableError for a URL that a manifest may not lead to.

    A manifest may come from anybody. Through `ftp://` or `webhdfs://` it would reach hosts of an
    inner network, which it cannot through http; what a person names as a source is not asked.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in _STORES | _WEB:
        raise ImageUnreadableError(
            f"a manifest's row may not lead to {scheme}://; name the place itself as a source"
        )


def list_remote(root: str, limits: ContentLimits | None = None) -> list[RemoteFile]:
    """All files below a URL, in any order.

    Raises FileNotFoundError where there is nothing, TimeoutError, OSError, and ImageUnreadableError
    for a URL that cannot be used.
    """
    seconds = (limits or ContentLimits()).list_seconds
    return within(seconds, lambda _: _listed(root))


def _listed(root: str) -> list[RemoteFile]:
    files, path = _system(root)
    with _as_oserror(root):
        found = files.find(path, detail=True)
        stripped = path.rstrip("/")
        if set(found) == {stripped}:
            raise NotADirectoryError(errno.ENOTDIR, f"{root} is a file")
        if not found and not files.exists(path):
            raise FileNotFoundError(errno.ENOENT, f"there is nothing at {root}")
    prefix = f"{stripped}/" if stripped else ""
    return [
        RemoteFile(name.removeprefix(prefix).lstrip("/"), remote_stamp(info))
        for name, info in found.items()
        if info.get("type", "file") == "file"
    ]


def open_remote(url: str, limits: ContentLimits) -> BinaryIO:
    """Fetch a file. Raises OSError, FileNotFoundError where there is none, and ImageError."""

    def fetch(deadline: Deadline) -> BinaryIO:
        files, path = _system(url)
        with _as_oserror(url), files.open(path, "rb") as source:
            return copied(deadline.reading(source), limits)

    return within(limits.fetch_seconds, fetch)


def info_of(url: str, limits: ContentLimits) -> Mapping[str, Any] | None:
    """What is known of a file; None where there is none. Raises OSError, ImageUnreadableError."""
    return within(limits.fetch_seconds, lambda _: _info(url))


def _info(url: str) -> Mapping[str, Any] | None:
    files, path = _system(url)
    with _as_oserror(url):
        try:
            info: Mapping[str, Any] = files.info(path)
        except FileNotFoundError:
            return None
    return info if info.get("type", "file") == "file" else None


def remote_stamp(info: Mapping[str, Any]) -> Stamp:
    """What shows that a file changed: size and time, or a digest in the place of the time."""
    size = info.get("size")
    size = size if isinstance(size, int) and 0 <= size <= _LARGEST else 0
    for key in _TIMES:
        moment = _nanoseconds(info.get(key))
        if moment is not None:
            return Stamp(size, moment)
    for key in _DIGESTS:
        if info.get(key):
            digest = hashlib.sha256(str(info[key]).encode("utf-8", "replace")).digest()
            return Stamp(size, int.from_bytes(digest[:8], "big") & _LARGEST)
    return Stamp(size, 0)


def _nanoseconds(moment: object) -> int | None:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return None
    return int(moment * 1e9) if 0 < moment < 1e10 else None


def _system(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a URL, and the path there."""
    scheme = url.partition("://")[0].lower()
    if scheme in _WEB or scheme in _AROUND_OTHERS or "::" in url:
        raise ImageUnreadableError(
            f"{url!r} is no plain URL of a store, such as s3://bucket/photos"
        )
    if scheme not in available_protocols():
        raise ImageUnreadableError(f"{url!r} is no URL that can be opened: {scheme!r} is not known")
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        hint = f"pip install 'blipsearch[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else str(error)
        raise ImageUnreadableError(f"{scheme}:// needs another library: {hint}") from error
    except Exception as error:
        raise ImageUnreadableError(f"{url!r} cannot be opened: {_said(error)}") from error
    return files, path


@contextmanager
def _as_oserror(url: str) -> Iterator[None]:
    """Each store's library raises errors of its own, of no common kind."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, f"there is nothing at {url}") from error
    except OSError as error:
        if error.errno is None:
            raise OSError(errno.EIO, f"{url}: {_said(error)}") from error
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{url}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:300]
