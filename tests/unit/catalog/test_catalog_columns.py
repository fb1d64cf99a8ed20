"""Column types keep what Python hands them, where SQL sees it differently."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import dialect

from blipsearch.columns import FileName, FreeText, Hash64, UtcDateTime
from tests.unit.collection_makers import failed_file, indexed_file, new_collection

SQLITE = dialect()
_any_text = st.text(st.characters(exclude_categories=()))


@given(_any_text)
@example("plain/\x1a/\udcff\ud800\x1adcff.jpg")
def test_any_path_comes_back_as_it_was(path: str) -> None:
    stored = FileName().process_bind_param(path, SQLITE)
    assert stored is not None
    stored.encode("utf-8")  # what any database can hold
    assert FileName().process_result_value(stored, SQLITE) == path


@given(_any_text, _any_text)
def test_a_prefix_of_a_path_stays_a_prefix(start: str, end: str) -> None:
    stored_start = FileName().process_bind_param(start, SQLITE)
    stored = FileName().process_bind_param(start + end, SQLITE)
    assert stored is not None
    assert stored_start is not None
    assert stored.startswith(stored_start)


@given(_any_text)
def test_free_text_becomes_storable_and_stays_readable(text: str) -> None:
    stored = FreeText().process_bind_param(text, SQLITE)
    assert stored is not None
    stored.encode("utf-8")
    assert "\0" not in stored
    if text.isascii() and "\0" not in text:
        assert stored == text


@given(st.integers(0, 2**64 - 1))
@example(2**63)
@example(2**63 - 1)
def test_a_hash_keeps_all_its_64_bits(value: int) -> None:
    stored = Hash64().process_bind_param(value, SQLITE)
    assert stored is not None
    assert -(2**63) <= stored < 2**63
    assert Hash64().process_result_value(stored, SQLITE) == value


def test_a_moment_is_kept_as_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=5)))
    stored = UtcDateTime().process_bind_param(moment, SQLITE)
    assert stored == datetime(2026, 1, 1, 22, 4, 5, 6)  # noqa: DTZ001  # as the database has it
    assert UtcDateTime().process_result_value(stored, SQLITE) == moment.astimezone(UTC)


@pytest.mark.parametrize("column", [FileName(), FreeText(), Hash64(), UtcDateTime()])
def test_nothing_stays_nothing(column: FileName | FreeText | Hash64 | UtcDateTime) -> None:
    assert column.process_bind_param(None, SQLITE) is None


def test_a_file_whose_name_is_no_utf8_is_indexed_and_found_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9/\xff\x1a.jpg")
    with new_collection(tmp_path) as photos:
        source = photos.add_source(os.fsdecode(b"/pictures/\xfe"))
        (image_id,) = photos.write(
            [indexed_file(source.id, name)], [failed_file(source.id, "x", f"cannot read {name}")]
        )
        entry = photos.image(image_id)
        assert os.fsencode(entry.absolute_path) == b"/pictures/\xfe/caf\xe9/\xff\x1a.jpg"
        assert photos.known_files(source.id)[name].id == image_id
        assert photos.write([indexed_file(source.id, name, seed=1)]) == [image_id]
        (failure,) = photos.failures()
        assert failure.reason == "cannot read caf\\udce9/\\udcff\x1a.jpg"
