"""The JSON form of a filter: read, with errors that say where, and given."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from blipsearch.errors import InvalidFilterError
from blipsearch.filters.fields import FieldProblem
from blipsearch.filters.tree import MOST_DEPTH, Filter

__all__ = ["filter_json", "parse_json_filter"]

_ADAPTER: TypeAdapter[Filter] = TypeAdapter(Filter, config=ConfigDict(defer_build=True))

_FORMS = "a filter is an object with 'field' and 'value', with 'near', 'has', 'and', 'or' or 'not'"
_TOO_DEEP = f"a filter is nested at most {MOST_DEPTH} deep"
_SAID = {
    "union_tag_not_found": _FORMS,
    "union_tag_invalid": _FORMS,
    "missing": "this key is missing",
    "too_short": "at least one filter belongs here",
    "extra_forbidden": "there is no such key here",
    "recursion_loop": _TOO_DEEP,
    "recursion_depth_exceeded": _TOO_DEEP,
}


def parse_json_filter(value: object) -> Filter:
    """Read a filter's JSON form, as `json.loads` gives it; a filter is given back as it is.

    Raises InvalidFilterError with the `location` of what is wrong.
    """
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise _translated(error) from error


def filter_json(filter_: Filter) -> dict[str, Any]:
    """The JSON form of a filter, without what says nothing."""
    return filter_.model_dump(mode="json", exclude_none=True)


def _translated(error: ValidationError) -> InvalidFilterError:
    first = error.errors(include_url=False)[0]
    place = [str(step) for step in first["loc"] if not str(step).startswith("<")]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldProblem):
        place.append(cause.part)
    message = str(cause) if cause is not None else _SAID.get(first["type"], first["msg"])
    location = ".".join(place)
    if first["type"].startswith("recursion"):
        location = ""  # some hundred steps
    where = f"filter.{location}" if location else "filter"
    return InvalidFilterError(f"{where}: {message}", location=location)
