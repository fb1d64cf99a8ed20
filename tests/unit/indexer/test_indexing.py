"""What a run makes of files that moved, went, came back, or are told of in other ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.errors import SourceError
from blipsearch.library import Library
from blipsearch.testing import sample_image
from indexer.indexing import index_paths
from indexer.records import IndexOptions, IndexSummary
from tests.unit.indexer.synchronised import CountingRetriever, by_path, later, synchronise


@dataclass(frozen=True)
class Place:
    """A collection, its checkpoint, and two roots, `a` with pictures 1 to 4 and `b` with 5."""

    collection: Collection
    retriever: CountingRetriever
    a: Path
    b: Path

    def run(self, *sources: Path | str, **options: object) -> IndexSummary:
        return synchronise(self.collection, self.retriever, sources, **options)

    def status(self) -> dict[str, str]:
        """The status of each image by the root's name and its path there."""
        return {
            f"{entry.source.name}/{entry.path}": entry.status for entry in self.collection.entries()
        }

    def id_of(self, path: Path) -> int:
        return by_path(self.collection)[str(path)].id


@pytest.fixture(scope="module")
def loaded(golden: Path) -> CountingRetriever:
    return CountingRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture
def place(loaded: CountingRetriever, tmp_path: Path) -> Iterator[Place]:
    loaded.batches = []
    for number in range(1, 6):
        folder = tmp_path / ("a" if number < 5 else "b")
        folder.mkdir(exist_ok=True)
        sample_image(number).save(folder / f"{number}.png")
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", loaded.identity) as collection,
    ):
        made = Place(collection, loaded, tmp_path / "a", tmp_path / "b")
        made.run(made.a, made.b)
        loaded.batches = []
        yield made


def counts(summary: IndexSummary) -> dict[str, int]:
    named = {name: getattr(summary, name) for name in ("added", "changed", "moved", "missing")}
    named |= {"failed": len(summary.failed), "pruned": summary.pruned}
    return {name: count for name, count in named.items() if count}


def test_a_file_that_moved_is_the_image_it_was(place: Place) -> None:
    image_id = place.id_of(place.a / "1.png")
    place.collection.set_tags(image_id, ["mine"])
    embedding = place.collection.embedding(image_id)
    (place.a / "below").mkdir()
    (place.a / "1.png").rename(place.a / "below" / "one.png")

    assert counts(place.run()) == {"moved": 1}

    entry = by_path(place.collection)[str(place.a / "below" / "one.png")]
    assert (entry.id, entry.tags, entry.status) == (image_id, ("mine",), "indexed")
    assert place.retriever.embedded() == 0
    found = place.collection.search(embedding[None], 1)
    assert found.ids.tolist() == [[image_id]]
    change = place.collection.info.change
    assert counts(place.run()) == {}
    assert place.collection.info.change == change


def test_a_file_moves_to_another_root_whichever_is_looked_at(place: Place) -> None:
    first, second = place.id_of(place.a / "1.png"), place.id_of(place.a / "2.png")
    (place.a / "1.png").rename(place.b / "one.png")
    assert counts(place.run(place.b)) == {"moved": 1}
    (place.a / "2.png").rename(place.b / "two.png")
    assert counts(place.run(place.a)) == {"missing": 1}
    assert counts(place.run(place.b)) == {"moved": 1}

    assert place.id_of(place.b / "one.png") == first
    assert place.id_of(place.b / "two.png") == second
    assert place.retriever.embedded() == 0
    assert len(place.status()) == 5


def test_a_file_that_moved_and_was_touched_is_the_image_it_was(place: Place) -> None:
    image_id = place.id_of(place.a / "3.png")
    (place.a / "3.png").rename(place.a / "third.png")
    later(place.a / "third.png")
    assert counts(place.run()) == {"moved": 1}
    assert place.id_of(place.a / "third.png") == image_id


def test_a_file_that_was_missing_for_long_is_found_where_it_turns_up(place: Place) -> None:
    image_id = place.id_of(place.a / "3.png")
    (place.a / "3.png").rename(place.a.parent / "kept.png")
    assert counts(place.run()) == {"missing": 1}
    assert counts(place.run()) == {"missing": 1}
    (place.a.parent / "kept.png").rename(place.b / "found.png")
    assert counts(place.run()) == {"moved": 1}
    assert place.id_of(place.b / "found.png") == image_id
    assert place.retriever.embedded() == 0


def test_of_two_copies_one_takes_the_place_of_what_is_gone(place: Place) -> None:
    image_id = place.id_of(place.a / "1.png")
    content = (place.a / "1.png").read_bytes()
    (place.a / "1.png").unlink()
    for name in ("x.png", "y.png"):
        (place.b / name).write_bytes(content)

    assert counts(place.run()) == {"moved": 1, "added": 1}
    ids = {place.id_of(place.b / name) for name in ("x.png", "y.png")}
    assert image_id in ids
    assert len(ids) == 2


def test_a_copy_of_what_is_there_is_another_image(place: Place) -> None:
    (place.b / "copy.png").write_bytes((place.a / "1.png").read_bytes())
    assert counts(place.run()) == {"added": 1}
    assert counts(place.run(place.b)) == {}


def test_what_is_in_a_root_that_is_away_is_not_taken_for_moved(place: Place) -> None:
    content = (place.a / "1.png").read_bytes()
    place.a.rename(place.a.parent / "away")
    (place.b / "copy.png").write_bytes(content)

    assert counts(place.run()) == {"added": 1, "missing": 4}
    assert counts(place.run(place.b)) == {}
    (place.a.parent / "away").rename(place.a)
    assert counts(place.run()) == {}
    assert set(place.status().values()) == {"indexed"}


@pytest.mark.parametrize("leave_folders", [False, True])
def test_what_is_in_a_root_that_is_away_and_not_looked_at_is_not_taken_for_moved(
    place: Place, *, leave_folders: bool
) -> None:
    content = (place.a / "1.png").read_bytes()
    place.a.rename(place.a.parent / "away")
    if leave_folders:
        (place.a / "below").mkdir(parents=True)
    (place.b / "copy.png").write_bytes(content)

    assert counts(place.run(place.b)) == {"added": 1}


def test_prune_removes_what_is_gone_and_nothing_of_a_root_that_is_away(place: Place) -> None:
    (place.a / "1.png").unlink()
    place.run()
    place.b.rename(place.b.parent / "away")

    summary = place.run(prune=True)

    assert counts(summary) == {"missing": 1, "pruned": 1}
    assert place.status() == {
        **{f"a/{number}.png": "indexed" for number in (2, 3, 4)},
        "b/5.png": "missing",
    }
    assert any("blipsearch remove --source b" in notice for notice in summary.notices)


def test_prune_removes_nothing_of_a_root_that_is_empty(place: Place) -> None:
    (place.b / "5.png").unlink()
    assert counts(place.run(prune=True)) == {"missing": 1}
    assert place.status()["b/5.png"] == "missing"


def test_prune_spares_what_moved(place: Place) -> None:
    image_id = place.id_of(place.a / "1.png")
    (place.a / "1.png").rename(place.b / "1.png")
    (place.a / "2.png").unlink()
    assert counts(place.run(prune=True)) == {"moved": 1, "pruned": 1}
    assert place.id_of(place.b / "1.png") == image_id


def test_without_sources_all_that_are_known_are_looked_at(place: Place) -> None:
    sample_image(8).save(place.a / "8.png")
    sample_image(9).save(place.b / "9.png")
    assert counts(place.run()) == {"added": 2}


def test_a_collection_without_sources_says_how_to_name_one(
    loaded: CountingRetriever, tmp_path: Path
) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.create_collection("photos", loaded.identity) as collection,
        pytest.raises(SourceError, match="`blipsearch index FOLDER`"),
    ):
        synchronise(collection, loaded)


def test_a_source_may_be_given_a_name_and_a_new_one_later(place: Place) -> None:
    assert counts(place.run(f"holiday={place.a}")) == {}
    assert [source.name for source in place.collection.sources()] == ["holiday", "b"]
    runs = len(place.collection.runs())
    with pytest.raises(SourceError, match="belongs to the source"):
        place.run(f"holiday={place.b}")
    assert len(place.collection.runs()) == runs


def test_a_moved_source_is_as_it_was(place: Place) -> None:
    before = {entry.path: entry.id for entry in place.collection.entries()}
    place.a.rename(place.a.parent / "elsewhere")
    source = place.collection.sources()[0]
    place.collection.move_source(source.id, str(place.a.parent / "elsewhere"))
    assert counts(place.run()) == {}
    assert {entry.path: entry.id for entry in place.collection.entries()} == before


def test_failed_files_are_tried_again_when_asked(place: Place) -> None:
    (place.a / "bad.png").write_text("no picture")
    place.run()
    runs = place.collection.info.change
    assert counts(place.run(retry_failed=True)) == {"failed": 1}
    assert place.collection.info.change == runs


def test_what_sidecars_say_is_followed_without_looking_at_the_picture(place: Place) -> None:
    image_id = place.id_of(place.a / "1.png")
    (place.a / "1.txt").write_text("a red boat")
    assert counts(place.run()) == {}
    assert [one.text for one in place.collection.captions([image_id])[image_id]] == ["a red boat"]
    (place.a / "1.txt").write_text("a blue boat at sea")
    place.run()
    (caption,) = place.collection.captions([image_id])[image_id]
    assert caption.text == "a blue boat at sea"
    change = place.collection.info.change
    place.run()
    assert place.collection.info.change == change
    (place.a / "1.txt").unlink()
    place.run()
    assert place.collection.captions([image_id]) == {}
    assert place.retriever.embedded() == 0


def test_a_file_that_moves_with_its_sidecar_keeps_what_is_said(place: Place) -> None:
    image_id = place.id_of(place.a / "1.png")
    (place.a / "1.txt").write_text("a red boat")
    place.run()
    for suffix in ("png", "txt"):
        (place.a / f"1.{suffix}").rename(place.b / f"one.{suffix}")
    assert counts(place.run()) == {"moved": 1}
    assert [one.text for one in place.collection.captions([image_id])[image_id]] == ["a red boat"]
    change = place.collection.info.change
    place.run()
    assert place.collection.info.change == change


def test_some_paths_are_brought_up_to_date_alone(place: Place) -> None:
    source = place.collection.sources()[0]
    (place.a / "1.png").rename(place.a / "one.png")
    sample_image(9).save(place.a / "9.png")
    (place.a / "2.png").unlink()
    sample_image(10).save(place.a / "3.png")
    later(place.a / "3.png")
    options = IndexOptions(batch_size=4, threads=1, isolated=False)

    def look(*paths: str) -> dict[str, int]:
        return counts(index_paths(place.collection, place.retriever, source, paths, options))

    assert look("one.png") == {"moved": 1}
    assert look("9.png") == {"added": 1}
    assert look("2.png", "1.png") == {"missing": 1}
    assert look("3.png", "4.png") == {"changed": 1}
    assert counts(place.run()) == {"missing": 1}


def test_a_folder_that_went_is_gone_with_all_that_was_in_it(place: Place) -> None:
    (place.a / "below").mkdir()
    for number in (1, 2):
        (place.a / f"{number}.png").rename(place.a / "below" / f"{number}.png")
    place.run()
    for number in (1, 2):
        (place.a / "below" / f"{number}.png").unlink()
    (place.a / "below").rmdir()
    source = place.collection.sources()[0]
    summary = index_paths(place.collection, place.retriever, source, ["below"])
    assert counts(summary) == {"missing": 2}


def test_what_an_ignore_file_names_later_is_left_out_until_it_does_no_more(place: Place) -> None:
    ignore_file = place.a / ".blipsearchignore"
    before = place.id_of(place.a / "1.png")
    (place.a / "below").mkdir()
    (place.a / "2.png").rename(place.a / "below" / "2.png")
    place.run(place.a)

    ignore_file.write_text("1.png\nbelow/\n")
    summary = place.run(place.a)
    assert (summary.missing, summary.unchanged) == (2, 2)
    assert place.status()["a/1.png"] == place.status()["a/below/2.png"] == "missing"
    # A copy of what is there is another image, though the one is left out.
    (place.b / "copy.png").write_bytes((place.a / "1.png").read_bytes())
    assert place.run(place.a, place.b).added == 1

    ignore_file.unlink()
    assert place.run(place.a).missing == 0
    assert place.id_of(place.a / "1.png") == before
    assert place.status()["a/below/2.png"] == "indexed"


def test_prune_removes_what_is_ignored_and_a_watch_sees_a_new_rule(place: Place) -> None:
    (place.a / ".blipsearchignore").write_text("1.png\n")
    (source,) = [one for one in place.collection.sources() if one.root == str(place.a)]
    index_paths(place.collection, place.retriever, source, [".blipsearchignore"])
    assert place.status()["a/1.png"] == "missing"

    assert place.run(place.a, prune=True).pruned == 1
    assert "a/1.png" not in place.status()
    assert (place.a / "1.png").exists()
