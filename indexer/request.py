"""Request: what a command line asks of an index run, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from blipsearch.settings import Settings
from indexer.sources import SourceRules

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """Which sources, into which collection, and what besides.

    Without `sources` all that the collection knows are meant. `checkpoint` is what was asked for,
    if anything: a collection that is there is otherwise continued with its own. With `into` the
    settings' collection is only read, and the one of that name is written.
    """

    settings: Settings
    sources: tuple[str, ...] = ()
    checkpoint: str | None = None
    into: str | None = None
    rules: SourceRules = field(default_factory=SourceRules)
    prune: bool = False
    retry_failed: bool = False
    watch: bool = False
    captions: bool = False
    as_json: bool = False
