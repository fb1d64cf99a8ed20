"""Frozen rankings on disk, and the signed cursors that lead back to them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from blipsearch.errors import CursorExpiredError, InvalidCursorError
from blipsearch.rankings import Ranking, RankingStore


def _ranking(count: int = 5) -> Ranking:
    numbers = np.arange(count)
    return Ranking(
        ids=numbers.astype(np.int64) * 7 + 1,
        cosines=np.linspace(0.9, 0.1, count).astype(np.float32),
        scores=np.linspace(9.0, 1.0, count),
        matches=np.where(numbers < 2, 0.75, np.nan).astype(np.float32),
        candidates=4,
        reranked=2,
        unverified=1,
    )


def _cursor(store: RankingStore, offset: int = 3) -> str:
    name = store.keep(_ranking())
    assert name is not None
    return store.cursor(name, offset)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.npz"))


def test_a_cursor_leads_back_to_the_whole_ranking_and_the_place_in_it(tmp_path: Path) -> None:
    cursor = _cursor(RankingStore(tmp_path / "rankings"))
    ranking, _, offset = RankingStore(tmp_path / "rankings").find(cursor)
    assert offset == 3
    wanted = _ranking()
    for name in ("ids", "cosines", "scores", "matches"):
        kept, given_ = getattr(ranking, name), getattr(wanted, name)
        assert kept.dtype == given_.dtype
        np.testing.assert_array_equal(kept, given_)
    counts = (ranking.candidates, ranking.reranked, ranking.unverified)
    assert counts == (4, 2, 1)


def test_a_cursor_that_was_changed_is_no_cursor(tmp_path: Path) -> None:
    store = RankingStore(tmp_path)
    cursor = _cursor(store)
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        changed = cursor[:place] + other + cursor[place + 1 :]
        # The last letter of base64 may carry bits that mean nothing.
        if place < len(cursor) - 1:
            with pytest.raises(InvalidCursorError, match="search again without a cursor"):
                store.find(changed)


@given(st.text(max_size=80))
def test_any_other_text_is_no_cursor(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    store = RankingStore(tmp_path_factory.getbasetemp() / "any-text")
    _cursor(store)
    with pytest.raises(InvalidCursorError):
        store.find(text)


def test_a_cursor_of_another_collection_or_key_is_no_cursor(tmp_path: Path) -> None:
    cursor = _cursor(RankingStore(tmp_path / "one"))
    other = RankingStore(tmp_path / "other")
    with pytest.raises(InvalidCursorError):
        other.find(cursor)
    _cursor(other)
    with pytest.raises(InvalidCursorError):
        other.find(cursor)
    forged = URLSafeSerializer(b"guessed", salt="blipsearch cursor").dumps(["../../secret", 0])
    with pytest.raises(InvalidCursorError):
        other.find(str(forged))


def test_a_ranking_that_is_too_old_has_expired(tmp_path: Path) -> None:
    store = RankingStore(tmp_path, lifetime=600)
    cursor = _cursor(store)
    (file,) = _files(tmp_path)
    old = time.time() - 601
    os.utime(file, (old, old))
    with pytest.raises(CursorExpiredError, match="kept for 10 minutes after its last page"):
        store.find(cursor)


def test_asking_for_a_page_keeps_the_ranking_alive(tmp_path: Path) -> None:
    store = RankingStore(tmp_path, lifetime=600)
    cursor = _cursor(store)
    (file,) = _files(tmp_path)
    old = time.time() - 500
    os.utime(file, (old, old))
    store.find(cursor)
    assert file.stat().st_mtime > old + 400


@pytest.mark.parametrize("damage", ["gone", "torn", "empty", "other"])
def test_a_ranking_that_is_gone_or_damaged_has_expired(tmp_path: Path, damage: str) -> None:
    store = RankingStore(tmp_path)
    cursor = _cursor(store)
    (file,) = _files(tmp_path)
    content = {"torn": file.read_bytes()[:200], "empty": b"", "other": b"no archive " * 50}
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[damage])
    with pytest.raises(CursorExpiredError, match="search again"):
        store.find(cursor)


def test_old_rankings_go_and_so_do_the_oldest_over_the_budget(tmp_path: Path) -> None:
    cursors = [_cursor(RankingStore(tmp_path)) for _ in range(3)]
    size = _files(tmp_path)[0].stat().st_size
    by_name = {RankingStore(tmp_path).find(cursor)[1]: cursor for cursor in cursors}
    names = [RankingStore(tmp_path).find(cursor)[1] for cursor in cursors]
    for age, name in zip((5000, 50, 10), names, strict=True):
        then = time.time() - age
        os.utime(tmp_path / f"{name}.npz", (then, then))
    newest = _cursor(RankingStore(tmp_path, budget=size))
    assert {file.stem for file in _files(tmp_path)} == {
        names[2],
        RankingStore(tmp_path).find(newest)[1],
    }
    RankingStore(tmp_path).find(by_name[names[2]])


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    _cursor(RankingStore(tmp_path))
    key = tmp_path / "key"
    assert len(key.read_bytes()) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_where_nothing_can_be_written_there_is_no_cursor_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rankings").write_text("a file where the folder should be")
    assert RankingStore(tmp_path / "rankings").keep(_ranking()) is None
    assert "the ranking cannot be kept" in caplog.text
