"""A filter as a value: frozen models whose JSON is the filter's JSON form.

    {"field": "width", "op": ">=", "value": 1024}
    {"field": "taken_at", "op": "between", "low": "2024-06", "high": "2024-08"}
    {"near": {"latitude": 48.85, "longitude": 2.35, "km": 5}}
    {"has": "caption"}
    {"and": [...]}   {"or": [...]}   {"not": {...}}

Equal filters are equal and hash alike, so a filter may be the key of a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from blipsearch.filters.fields import (
    FIELDS,
    PRESENCES,
    FieldProblem,
    Part,
    Scalar,
    check_field,
    check_operator,
    check_presence,
    check_value,
)

__all__ = [
    "MOST_CONDITIONS",
    "MOST_DEPTH",
    "And",
    "Between",
    "Compare",
    "Condition",
    "Filter",
    "Glob",
    "Has",
    "Near",
    "Not",
    "Or",
    "Place",
    "conditions",
    "depends_on_captions",
]

MOST_DEPTH = 32
"""How deep conditions may be nested in `and`, `or` and `not`."""
MOST_CONDITIONS = 100


def _scalar(value: object) -> object:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("a value is text, a number, true or false")  # noqa: TRY004  # for pydantic
    return value


def _field_schema(names: tuple[str, ...]) -> WithJsonSchema:
    metadata = {"type": "string", "pattern": r"^meta\..+"}
    return WithJsonSchema({"anyOf": [{"enum": list(names), "type": "string"}, metadata]})


_Value = Annotated[
    Scalar,
    BeforeValidator(_scalar),
    WithJsonSchema(
        {"anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string", "maxLength": 1000}]}
    ),
]
_End = Annotated[
    Scalar | None,
    BeforeValidator(lambda value: None if value is None else _scalar(value)),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 1000}, {"type": "null"}]}
    ),
]
_FieldName = Annotated[str, _field_schema(tuple(FIELDS))]


class _Node(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,  # the SDK imports this, and may never use a filter
    )


class Compare(_Node):
    """A field compared with one value. On a field that an image lacks it is false.

    `=` on `path` holds for the folder and all below it, or the file; on `caption` for captions
    with all the words; on `taken_at` in the whole of a year, month, day or minute.
    """

    field: _FieldName
    op: Literal["=", "!=", "<", "<=", ">", ">="] = "="
    value: _Value

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_field(self.field)
        check_operator(self.field, self.op)
        check_value(self.field, self.op, self.value)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Compare):
            return NotImplemented
        # To Python True is 1; in metadata they are not the same.
        return super().__eq__(other) and (
            isinstance(self.value, bool) == isinstance(other.value, bool)
        )

    __hash__ = _Node.__hash__


class Between(_Node):
    """A field between two values, both included; either end may be open."""

    field: _FieldName
    op: Literal["between"] = "between"
    low: _End = None
    high: _End = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_field(self.field)
        check_operator(self.field, self.op)
        ends: tuple[tuple[Part, Scalar | None], ...] = (("low", self.low), ("high", self.high))
        given = [(part, end) for part, end in ends if end is not None]
        if not given:
            raise FieldProblem("low", "a range needs an end: give low, high or both")
        for part, end in given:
            check_value(self.field, self.op, end, part)
        if len({isinstance(end, str) for _, end in given}) > 1:
            raise FieldProblem("high", "the ends of a range are both numbers or both text")
        return self


class Glob(_Node):
    """A text field that matches a pattern: `*` is any text and `?` any character.

    In a `path`, `*` and `?` stay within a folder and `**` stands for any folders. A pattern without
    these is an equality.
    """

    field: _FieldName
    op: Literal["glob"]
    value: Annotated[str, WithJsonSchema({"type": "string", "maxLength": 1000})]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_field(self.field)
        check_operator(self.field, self.op)
        check_value(self.field, self.op, self.value)
        return self


class Has(_Node):
    """Whether the image has such a thing at all."""

    has: Annotated[str, _field_schema(PRESENCES)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_presence(self.has)
        return self


class Place(_Node):
    """All that is within `km` of a point; degrees, south and west negative."""

    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    km: Annotated[float, Field(gt=0, le=50_000)]


class Near(_Node):
    """Where the image was taken: within a distance of a point, along the earth's surface."""

    near: Place


class And(_Node):
    """All of these hold."""

    every: Annotated[tuple[_Any, ...], Field(min_length=1)] = Field(alias="and")


class Or(_Node):
    """At least one of these holds."""

    some: Annotated[tuple[_Any, ...], Field(min_length=1)] = Field(alias="or")


class Not(_Node):
    """This does not hold, also where the image lacks the field."""

    negated: _Any = Field(alias="not")


Condition: TypeAlias = Compare | Between | Glob | Has | Near
"""What looks at one field."""

# Tags stand in brackets, so that an error's location can be told from them.
_KINDS: Mapping[type[_Node], str] = {
    Compare: "<compare>",
    Between: "<between>",
    Glob: "<glob>",
    Has: "<has>",
    Near: "<near>",
    And: "<and>",
    Or: "<or>",
    Not: "<not>",
}


def _kind(value: object) -> str | None:
    if isinstance(value, _Node):
        return _KINDS.get(type(value))
    if not isinstance(value, Mapping):
        return None
    if "field" in value or "op" in value:
        if value.get("op") == "glob":
            return "<glob>"
        ranged = value.get("op") == "between" or "low" in value or "high" in value
        return "<between>" if ranged else "<compare>"
    return next((f"<{key}>" for key in ("and", "or", "not", "has", "near") if key in value), None)


_Any = Annotated[
    Annotated[Compare, Tag("<compare>")]
    | Annotated[Between, Tag("<between>")]
    | Annotated[Glob, Tag("<glob>")]
    | Annotated[Has, Tag("<has>")]
    | Annotated[Near, Tag("<near>")]
    | Annotated[And, Tag("<and>")]
    | Annotated[Or, Tag("<or>")]
    | Annotated[Not, Tag("<not>")],
    Discriminator(_kind),
]


def _within_limits(root: _Any) -> _Any:
    level: list[_Any] = [root]
    depth = count = 0
    while level:
        count += sum(not isinstance(node, And | Or | Not) for node in level)
        level = [child for node in level for child in _children(node)]
        depth += bool(level)
    if depth > MOST_DEPTH:
        raise ValueError(f"a filter is nested at most {MOST_DEPTH} deep")
    if count > MOST_CONDITIONS:
        raise ValueError(f"a filter has at most {MOST_CONDITIONS} conditions, this one has {count}")
    return root


Filter = Annotated[_Any, AfterValidator(_within_limits)]
"""Any filter, within the limits of depth and number."""


def conditions(filter_: Filter) -> Iterator[Condition]:
    """All that look at one field, in the order they are written."""
    if isinstance(filter_, And | Or | Not):
        for child in _children(filter_):
            yield from conditions(child)
    else:
        yield filter_


def depends_on_captions(filter_: Filter) -> bool:
    """Whether a new caption can change what the filter holds for."""
    return any(
        condition.has == "caption"
        if isinstance(condition, Has)
        else not isinstance(condition, Near) and condition.field == "caption"
        for condition in conditions(filter_)
    )


def _children(node: _Any) -> tuple[_Any, ...]:
    if isinstance(node, And):
        return node.every
    if isinstance(node, Or):
        return node.some
    return (node.negated,) if isinstance(node, Not) else ()
