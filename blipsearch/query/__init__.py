"""What a search asks for: sentences, images and vectors, with weights, and what must not be there.

A query is a tuple of `Term`s. It is written as JSON (`terms` of a SearchRequest) or, by people, in
a small syntax that `blipsearch.query.text` reads: `2:red boat + ./sunset.jpg - people`. This
module is light: the SDK has it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from blipsearch.errors import QueryError
from blipsearch.schemas import SearchRequest, Term, Wire

__all__ = ["Query", "as_request", "checked", "checked_request", "query_of"]

W = TypeVar("W", bound=Wire)

_IS_NO_SENTENCE = re.compile(r'^"|^[+-](\s|$)|\s[+-](\s|$)|^\d|^(id:\d+$|vector:|\.{0,2}/|~/)')
"""What means something else unless it stands in quotes."""

_ID = "id:"


@dataclass(frozen=True, slots=True)
class Query:
    """The terms of a search, at least one; a picture's URL must have become its bytes before.

    Raises QueryError where a term still has a URL: the library opens no connections.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        for term in self.terms:
            if term.image_url is not None:
                raise QueryError(
                    f"image_url is for the service, which fetches it; read {term.image_url!r} "
                    "yourself and give its bytes as image"
                )

    @property
    def texts(self) -> tuple[Term, ...]:
        """The terms that are sentences, the ones that must not match among them."""
        return tuple(term for term in self.terms if term.text is not None)

    @property
    def wanted_texts(self) -> tuple[str, ...]:
        """The sentences that a picture should match."""
        return tuple(term.text for term in self.terms if term.text is not None and not term.negated)

    @property
    def image_ids(self) -> tuple[int, ...]:
        """The indexed images that hits should resemble."""
        return tuple(
            term.image_id for term in self.terms if term.image_id is not None and not term.negated
        )

    def __str__(self) -> str:
        return " ".join(_spelled(self.terms))


def query_of(request: SearchRequest) -> Query:
    """The query of a request that has no cursor."""
    if request.terms is not None:
        return Query(request.terms)
    return Query(
        (
            Term(
                text=request.query,
                image=request.image,
                image_url=request.image_url,
                image_id=request.image_id,
                vector=request.vector,
            ),
        )
    )


def as_request(
    wanted: str | Query | SearchRequest, options: Mapping[str, Any] | None = None
) -> SearchRequest:
    """A sentence or a query with options, each a field of SearchRequest, as one checked request.

    Raises QueryError for values that a request does not take.
    """
    options = options or {}
    if isinstance(wanted, SearchRequest):
        if options:
            raise QueryError(f"a whole request takes no options beside it: {', '.join(options)}")
        return wanted
    subject = {"query": wanted} if isinstance(wanted, str) else {"terms": wanted.terms}
    return checked_request({**subject, **options})


def checked_request(fields: Mapping[str, Any]) -> SearchRequest:
    """A request of these fields. Raises QueryError, which names the field that is wrong."""
    return checked(SearchRequest, fields)


def checked(kind: type[W], fields: Mapping[str, Any]) -> W:
    """A wire type's value of these fields, checked in the same way."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise QueryError(f"{field}: {message}" if field else message) from error


def _spelled(terms: Sequence[Term]) -> Iterator[str]:
    for number, term in enumerate(terms):
        if term.negated:
            yield "-"
        elif number:
            yield "+"
        weight = "" if term.weight == 1 else f"{term.weight:g}:"
        yield f"{weight}{_subject(term)}"


def _subject(term: Term) -> str:
    if term.text is not None:
        quoted = term.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"' if _IS_NO_SENTENCE.search(term.text) else term.text
    if term.image_id is not None:
        return f"{_ID}{term.image_id}"
    return "an image" if term.image is not None else "a vector"
