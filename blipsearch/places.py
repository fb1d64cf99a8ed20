"""Places: where an image's bytes are, in words; `blipsearch.contents` opens them."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

__all__ = ["Place", "SourceKind", "is_url", "path_of_file_url"]

SourceKind = Literal["folder", "archive", "manifest", "remote"]
"""What the root of a source is: a folder; a zip or tar file whose members are images; a file that
lists images by path or URL, one a row; or a URL that fsspec lists, such as `s3://bucket/photos`."""


def is_url(text: str) -> bool:
    """Say whether a path names something elsewhere: `https://...`, `s3://...`."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


def path_of_file_url(text: str) -> str:
    """The path that a `file://` URL names. Raises ValueError where that is on another machine."""
    host, slash, path = text.partition("://")[2].partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise ValueError(f"{text[:80]!r} names no file of this machine; write file:///folder/file")
    return "/" + os.fsdecode(unquote_to_bytes(path))


@dataclass(frozen=True, slots=True)
class Place:
    """A path within a source's root. `path` has forward slashes.

    In a manifest it is what the row says: a path relative to the manifest's folder, an absolute
    one, or a URL.
    """

    kind: SourceKind
    root: str
    path: str

    @property
    def address(self) -> str:
        """Where it is, for people: an absolute path, a member behind its archive's, or a URL."""
        if self.kind == "manifest":
            if is_url(self.path):
                return self.path
            return os.path.join(os.path.dirname(self.root), self.path)  # noqa: PTH118, PTH120  # plain strings by contract
        if self.kind == "remote":
            return f"{self.root.rstrip('/')}/{self.path}"
        return os.path.join(self.root, self.path)  # noqa: PTH118  # plain strings by contract

    @property
    def local_file(self) -> str | None:
        """The file that holds exactly this image, by absolute path; None for all that is no file.

        A manifest's row may name a file; a member of an archive is none.
        """
        if self.kind == "folder" or (self.kind == "manifest" and not is_url(self.path)):
            return self.address
        return None
