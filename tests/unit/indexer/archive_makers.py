"""Makes zip and tar files of a few members, whole and hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.data.hostile import photo

__all__ = ["jpeg", "write_tar", "write_zip"]


def jpeg(seed: int = 0, size: int = 40) -> bytes:
    """A small photo's bytes."""
    written = io.BytesIO()
    photo(size, size, seed).save(written, "JPEG")
    return written.getvalue()


def write_zip(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip of these members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    """Write a tar of these members; `mode` is tarfile's, such as `w:gz`."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # any of its modes
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
