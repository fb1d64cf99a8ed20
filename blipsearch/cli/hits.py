"""How a search's answer is printed: as a table, as JSON, and with what explains it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from blipsearch.schemas import Explanation, SearchResponse, Term

__all__ = ["print_hits"]


def print_hits(
    query: str | None,
    response: SearchResponse,
    files: list[str] | None,
    *,
    min_match: float | None,
    as_json: bool,
) -> None:
    """Print the hits on stdout, and what there is to say about them on stderr.

    `files` are the hits' files on this machine, empty for one that is gone; None where they are
    elsewhere: hits then appear by their path in the collection.
    """
    if as_json:
        typer.echo(json.dumps(_as_json(response, files), ensure_ascii=False, indent=2))
        return
    if response.explanation is not None:
        sys.stderr.write(_explained(response, response.explanation))
    _print_table(query, response, files, min_match)
    if response.next_cursor is not None:
        shown = len(response.hits)
        sys.stderr.write(
            f"{shown} of {response.count}; more: "
            f"blipsearch search --limit {shown} --cursor {response.next_cursor}\n"
        )


def _as_json(response: SearchResponse, files: list[str] | None) -> dict[str, object]:
    """Return the response as the service sends it, and where each hit's file is on this machine."""
    document = response.model_dump(mode="json", by_alias=True)
    for hit, file in zip(document["hits"], files or (), strict=files is not None):
        hit["file"] = file
    return document


def _print_table(
    query: str | None, response: SearchResponse, files: list[str] | None, min_match: float | None
) -> None:
    if not response.hits:
        needed = "" if min_match is None else f" with a match of at least {min_match:.0%}"
        what = "any more" if query is None else repr(query)
        typer.echo(f"nothing matches {what}{needed} ({response.candidates} candidates)")
        return
    typer.echo(" match  cosine  path")
    places = [hit.path for hit in response.hits] if files is None else map(_near, files)
    for hit, place in zip(response.hits, places, strict=True):
        match = "     -" if hit.match is None else f"{hit.match:6.1%}"
        where = f"image {hit.id}, removed since" if hit.removed else place
        typer.echo(f"{match}  {hit.cosine:6.3f}  {where}")


def _explained(response: SearchResponse, explanation: Explanation) -> str:
    searched = f"{explanation.searched} images by {explanation.index}"
    if explanation.lists:
        searched += f", {explanation.probes} of {explanation.lists} lists"
    lines = [f"query       {explanation.query}", f"searched    {searched}"]
    if explanation.captions:
        lines.append(f"captions    {explanation.captions} images by their words")
    lines += [f"asked       {_asked(term)}" for term in explanation.judged]
    lines.append(
        f"candidates  {response.candidates}, {response.reranked} reranked, "
        f"{response.unverified} unreadable"
    )
    spent = ", ".join(f"{stage} {ms:.1f}" for stage, ms in response.timings.items())
    lines.append(f"took        {sum(response.timings.values()):.1f} ms: {spent}")
    return "".join(f"{line}\n" for line in lines)


def _asked(term: Term) -> str:
    weight = "" if term.weight == 1 else f"{term.weight:g}:"
    return f"{'not ' if term.negated else ''}{weight}{term.text}"


def _near(file: str) -> str:
    """Return the path relative to the working directory when it lies below it."""
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
