"""Filters: which images a search looks at, as values, as JSON and as short text.

This package is light, the SDK imports it. The short form's parser is in `filters.text` and needs
lark; what a filter holds for is decided by the catalog.
"""

from blipsearch.filters.json_form import filter_json, parse_json_filter
from blipsearch.filters.tree import (
    And,
    Between,
    Compare,
    Condition,
    Filter,
    Glob,
    Has,
    Near,
    Not,
    Or,
    Place,
    conditions,
    depends_on_captions,
)

__all__ = [
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
    "filter_json",
    "parse_json_filter",
]
