"""The index that suits follows from count, memory and recall alone, and says why in words."""

from __future__ import annotations

import pytest

from blipsearch.errors import SettingsError
from blipsearch.vectors import IndexNeeds, consider, plan_index

GB = 10**9
MB = 10**6


@pytest.mark.parametrize(
    ("count", "memory", "recall", "kind"),
    [
        (0, GB, 0.99, "exact"),
        (999, 1, 0.99, "exact"),
        (100_000, GB, 0.99, "exact"),
        (100_001, GB, 0.99, "coded"),
        (1_000_000, GB, 0.99, "coded"),
        (1_000_000, 2 * GB, 1.0, "exact"),
        (1_000_000, GB, 1.0, "coded"),
        (1_000_000, 80 * MB, 0.99, "compact"),
        (1_000_000, 70 * MB, 0.99, "mapped"),
        (100_000_000, GB, 0.99, "mapped"),
        (50_000, 20 * MB, 0.99, "coded"),
        (50_000, 6 * MB, 0.99, "compact"),
    ],
)
def test_the_most_exact_kind_that_fits_and_is_fast_is_chosen(
    count: int, memory: int, recall: float, kind: str
) -> None:
    assert plan_index(count, 256, IndexNeeds(memory, recall)).kind == kind


def test_a_million_vectors_take_what_their_codes_slots_and_centroids_do() -> None:
    sizes = {one.kind: one for one in consider(1_000_000, 256, IndexNeeds(GB))}
    assert sizes["exact"].total_bytes == 1_000_000 * (1024 + 8)
    assert sizes["coded"].total_bytes == 1_000_000 * (256 + 8) + 4096 * (1024 + 16) + 250_000
    assert sizes["compact"].bytes_per_vector < 80
    assert sizes["mapped"].bytes_per_vector < 5
    assert sizes["coded"].description == "IVF4096,SQ8"
    assert sizes["compact"].description == "IVF4096,PQ64"


def test_every_kind_is_named_once_the_chosen_one_first() -> None:
    plans = consider(1_000_000, 256, IndexNeeds(80 * MB))
    assert [one.kind for one in plans] == ["compact", "exact", "coded", "mapped"]
    assert all(one.why for one in plans)


def test_the_reasons_name_the_memory_there_is_and_the_memory_it_takes() -> None:
    plans = {one.kind: one.why for one in consider(1_000_000, 256, IndexNeeds(80 * MB))}
    assert "80 MB" in plans["compact"]
    assert plans["exact"] == "it takes 1.03 GB, more than 80 MB"
    assert plans["coded"] == "it takes 269 MB, more than 80 MB"
    assert "disk" in plans["mapped"]


def test_where_all_fits_slowness_and_coarseness_are_the_reasons() -> None:
    plans = {one.kind: one.why for one in consider(1_000_000, 256, IndexNeeds(8 * GB))}
    assert plans["exact"] == "it compares with every vector, slow beyond 100,000"
    assert plans["compact"] == "its codes are coarser than those of IVF4096,SQ8"


def test_too_few_vectors_leave_no_choice() -> None:
    (only,) = consider(12, 256, IndexNeeds(GB))
    assert only.why == "12 vectors are too few to train anything else on"


def test_vectors_that_cannot_be_cut_in_fours_have_no_compact_kind() -> None:
    assert "compact" not in {one.kind for one in consider(1_000_000, 30, IndexNeeds(GB))}


@pytest.mark.parametrize(("memory", "recall"), [(0, 0.9), (-5, 0.9), (GB, 0.0), (GB, 1.01)])
def test_needs_that_no_index_meets_are_refused(memory: int, recall: float) -> None:
    with pytest.raises(SettingsError, match="--vector-memory"):
        IndexNeeds(memory, recall)
