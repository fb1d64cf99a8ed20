"""The one import of faiss: which package gives it, and what is said where none does."""

from __future__ import annotations

from collections.abc import Collection
from importlib import metadata

from blipsearch.errors import EngineMissingError

__all__ = ["faiss"]

_FAISS_PACKAGES = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu11", "faiss-gpu-cu12")


def _check_one_faiss(names: Collection[str]) -> None:
    """Refuse two faiss packages side by side: the second one overwrote files of the first."""
    if len(names) > 1:
        raise EngineMissingError(
            f"{' and '.join(sorted(names))} are installed together and overwrite each other; "
            f"run `pip uninstall -y {' '.join(sorted(names))}` and then install one engine: "
            "`pip install 'blipsearch[gpu]'` or `pip install 'blipsearch[cpu]'`"
        )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


_check_one_faiss([name for name in _FAISS_PACKAGES if _installed(name)])
try:
    import faiss
except ImportError as error:
    raise EngineMissingError(
        f"the search engine is not installed (faiss: {error}); "
        "run `pip install 'blipsearch[gpu]'` with an NVIDIA GPU, "
        "else `pip install 'blipsearch[cpu]'`"
    ) from error
