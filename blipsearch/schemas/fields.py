"""What the fields of wire types hold, and what all wire types have in common."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

__all__ = [
    "Content",
    "FileText",
    "ImageId",
    "ImageUrl",
    "Metadata",
    "Tag",
    "Text",
    "Vector",
    "Wire",
    "build_all",
    "exactly_one",
]


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise PydanticCustomError("base64", "a file's bytes come as base64") from error


def _readable(text: str) -> str:
    """Text that UTF-8 can hold: the bytes of a file name that is none are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _readable_values(value: object) -> object:
    if isinstance(value, str):
        return _readable(value)
    if isinstance(value, Mapping):
        return {_readable(str(key)): _readable_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable_values(one) for one in value]
    return value


FileText = Annotated[str, PlainSerializer(_readable, return_type=str, when_used="json")]
"""A path or a name of a file. In JSON, what in it is no UTF-8 is written as escapes."""
Metadata = Annotated[
    Mapping[str, object],
    PlainSerializer(_readable_values, return_type=Mapping[str, object], when_used="json"),
]
Content = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(lambda content: base64.b64encode(content).decode("ascii"), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    Field(min_length=1),
]
"""The bytes of a file; base64 in JSON."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Vector = Annotated[tuple[float, ...], Field(min_length=1, max_length=65_536)]
ImageId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""What databases keep as an integer."""
ImageUrl = Annotated[
    str, StringConstraints(max_length=2000, pattern=r"^https?://", strip_whitespace=True)
]

Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class Wire(BaseModel):
    """Base of the types that travel: frozen, and unknown fields of a newer server are ignored."""

    # Validators are built when a type is first used: importing them all would take the SDK longer
    # than everything else it imports.
    model_config = ConfigDict(
        frozen=True, extra="ignore", serialize_by_alias=True, defer_build=True
    )


def exactly_one(value: BaseModel, names: Sequence[str]) -> None:
    """Raises ValueError unless exactly one of these fields of a value is given."""
    given = [name for name in names if getattr(value, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        raise ValueError(f"give exactly one of {', '.join(names)}; there is {found}")


def build_all(base: type[Wire] = Wire) -> None:
    """Build every type's validator now rather than at first use; FastAPI wants it."""
    for kind in base.__subclasses__():
        kind.model_config["defer_build"] = False  # it would hold for what is made of the type, too
        kind.model_rebuild(force=True)
        build_all(kind)
