"""VectorIndex: nearest neighbours among embeddings; the only importer of faiss.

An index is derived from the catalog and can always be built again from it. It is exact, or a
coded base with what changed since beside it: `planning` says which, `building` makes a base.
"""

from __future__ import annotations

from blipsearch.vectors.basefiles import base_paths
from blipsearch.vectors.building import BuildProgress, BuildSource, build_base
from blipsearch.vectors.coded import BaseFacts, CodedBase
from blipsearch.vectors.files import base_named
from blipsearch.vectors.hamming import HashPairs, near_pairs
from blipsearch.vectors.heads import sync_directory
from blipsearch.vectors.index import VectorIndex
from blipsearch.vectors.measuring import Measured, measure_kind
from blipsearch.vectors.planning import (
    EXACT_AT_MOST,
    IndexKind,
    IndexNeeds,
    IndexPlan,
    consider,
    plan_index,
)
from blipsearch.vectors.threads import search_with_one_core
from blipsearch.vectors.values import (
    UNIT_TOLERANCE,
    ExactVectors,
    Ids,
    IndexInfo,
    Neighbours,
    SnapshotStamp,
    check_unit_rows,
)

__all__ = [
    "EXACT_AT_MOST",
    "UNIT_TOLERANCE",
    "BaseFacts",
    "BuildProgress",
    "BuildSource",
    "CodedBase",
    "ExactVectors",
    "HashPairs",
    "Ids",
    "IndexInfo",
    "IndexKind",
    "IndexNeeds",
    "IndexPlan",
    "Measured",
    "Neighbours",
    "SnapshotStamp",
    "VectorIndex",
    "base_named",
    "base_paths",
    "build_base",
    "check_unit_rows",
    "consider",
    "measure_kind",
    "near_pairs",
    "plan_index",
    "search_with_one_core",
    "sync_directory",
]
