"""Sources: what the user asks to index, and the image files found there."""

from indexer.sources.listing import list_files, list_paths
from indexer.sources.names import is_image_name, is_named_only, natural_key
from indexer.sources.records import FileListing, FoundFile, GivenSource, Origin, SourceRules
from indexer.sources.resolving import origins_of, resolve_sources

__all__ = [
    "FileListing",
    "FoundFile",
    "GivenSource",
    "Origin",
    "SourceRules",
    "is_image_name",
    "is_named_only",
    "list_files",
    "list_paths",
    "natural_key",
    "origins_of",
    "resolve_sources",
]
