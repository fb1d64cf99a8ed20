"""Wording: counts and paths as commands print them."""

from __future__ import annotations

__all__ = ["counted", "printable"]


def counted(count: int, what: str) -> str:
    """A count of things: `1 image`, `2,000 images`; `what` takes an s in the plural."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def printable(text: str) -> str:
    """Text as any terminal takes it: names that are no UTF-8 cannot be printed as they are."""
    return text.encode("utf-8", "backslashreplace").decode()
