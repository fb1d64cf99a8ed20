"""blipsearch: image search that can say how well a picture matches a sentence."""

from importlib import import_module
from typing import TYPE_CHECKING

from blipsearch.errors import EngineMissingError

if TYPE_CHECKING:
    from blipsearch.client import AsyncClient, Client
    from blipsearch.local import open_library

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__", "open_library"]

_HOMES = {
    "AsyncClient": "blipsearch.client",
    "Client": "blipsearch.client",
    "open_library": "blipsearch.local",
}


def __getattr__(name: str) -> object:
    """Load a part only when it is asked for: the package itself must stay light.

    Raises EngineMissingError, an ImportError, where a part needs what is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("blipsearch"):
            raise  # a fault of ours, not of the installation
        raise EngineMissingError(
            f"{name} needs {error.name}, which is not installed; run `pip install "
            "'blipsearch[cpu]'`, or 'blipsearch[gpu]' with an NVIDIA GPU"
        ) from error


def __dir__() -> list[str]:
    """Name what there is, loaded or not."""
    return sorted({*globals(), *__all__})
