"""Fetching: what is at a URL of http or https, from the public internet and from nowhere else."""

from blipsearch.fetching.addresses import (
    Address,
    Lookup,
    is_public,
    is_public_web,
    looked_up,
)
from blipsearch.fetching.budget import Budget, shown
from blipsearch.fetching.failures import FetchError, FetchFailure
from blipsearch.fetching.web import Allowed, WebFetcher

__all__ = [
    "Address",
    "Allowed",
    "Budget",
    "FetchError",
    "FetchFailure",
    "Lookup",
    "WebFetcher",
    "is_public",
    "is_public_web",
    "looked_up",
    "shown",
]
