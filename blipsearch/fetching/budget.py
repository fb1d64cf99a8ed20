"""How much may be fetched."""

from __future__ import annotations

from dataclasses import dataclass

from blipsearch.fetching.failures import FetchError

__all__ = ["Budget", "shown"]

_SHOWN = 100


@dataclass(slots=True)
class Budget:
    """How many more bytes may come; several URLs may share one."""

    left: int

    def spend(self, size: int, url: str) -> None:
        """Take bytes off. Raises FetchError where there are not so many left."""
        self.left -= size
        if self.left < 0:
            raise FetchError("too_large", f"there are too many bytes at {shown(url)}")


def shown(url: str) -> str:
    """A URL for a message: in quotes and not too long."""
    return repr(url if len(url) <= _SHOWN else f"{url[: _SHOWN - 3]}...")
