"""What is opened: a context manager that is closed once and says so when it was forgotten."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Resource"]


class Resource(ABC):
    """Base of what must be closed. Its `str` is how a leak names it.

    A subclass sets `_closed` to False once its constructor has opened everything, and to True in
    `close`: what failed to open needs no closing.
    """

    _closed = True

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"{self} was not closed", ResourceWarning, stacklevel=2, source=self)
