"""Tests of an image's metadata: any JSON that people gave it, so any type may turn up anywhere."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from blipsearch.filters.fields import Scalar
from blipsearch.filters.words import compile_glob

__all__ = ["MetadataTest"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class MetadataTest:
    """A test of what stands under some keys.

    `op` is an operator of a filter, or `has`. Numbers are compared with numbers, text with text
    without regard to case, true and false with themselves; other types never match. A list passes
    where one of its elements does. `!=` is the opposite of `=` where there is any value but null.
    """

    keys: tuple[str, ...]
    op: str
    value: Scalar | None = None
    low: Scalar | None = None
    high: Scalar | None = None

    def dumps(self) -> str:
        """The test as text, for `loads`."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, dumped: str) -> MetadataTest:
        """The test that `dumps` wrote."""
        values = json.loads(dumped)
        return cls(**{**values, "keys": tuple(values["keys"])})

    def holds(self, metadata: object) -> bool:
        """Whether the metadata passes."""
        found = metadata
        for key in self.keys:
            if not isinstance(found, dict):
                return False
            found = found.get(key)
        if found is None or self.op == "has":
            return found is not None
        passes = any(map(self._passes, found if isinstance(found, list) else [found]))
        return passes != (self.op == "!=")

    def _passes(self, element: object) -> bool:
        return _type(element) == self._type and self._compare(_folded(element))

    @cached_property
    def _type(self) -> str:
        given = (each for each in (self.value, self.low, self.high) if each is not None)
        return _type(next(given))

    @cached_property
    def _compare(self) -> Callable[[Any], bool]:
        value, low, high = _folded(self.value), _folded(self.low), _folded(self.high)
        if self.op == "glob":
            pattern = compile_glob(str(value))
            return lambda element: pattern.fullmatch(element) is not None
        if self.op == "between":
            return lambda element: (
                (low is None or low <= element) and (high is None or element <= high)
            )
        compare = _COMPARE["=" if self.op == "!=" else self.op]
        return lambda element: compare(element, value)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _folded(value: object) -> Any:  # noqa: ANN401  # what JSON holds
    return value.casefold() if isinstance(value, str) else value
