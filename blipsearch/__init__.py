"""blipsearch: image search that can say how well a picture matches a sentence."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blipsearch.library import open_library

__version__ = "0.1.0"
__all__ = ["__version__", "open_library"]


def __getattr__(name: str) -> object:
    """Load the engine only when it is asked for: the package itself must stay light."""
    if name == "open_library":
        from blipsearch.library import open_library  # noqa: PLC0415

        return open_library
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
