"""Images: what every ImageSearch says of them, shows of them and does with them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from blipsearch.errors import ImageNotFoundError, QueryError
from blipsearch.image_search import ImageSearch
from tests.support import draw_picture

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"


def test_an_image_is_captioned_and_so_is_any_picture(searched: ImageSearch, pictures: Path) -> None:
    hit = searched.search("a red ball", limit=1)[0]
    path = pictures / hit.path

    written = searched.caption(hit.id)
    assert written.text == hit.caption()
    assert written.match is not None
    assert written.checkpoint.endswith("caption")
    for picture in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert searched.caption(picture).text == written.text
    with Image.open(path) as image:
        assert searched.caption(image).checkpoint == written.checkpoint
    prompted = searched.caption(hit.id, "two trees")
    assert prompted.text.startswith("two trees")
    assert hit.caption("two trees") == prompted.text


def test_a_picture_that_is_not_indexed_is_described(searched: ImageSearch, drawn: Path) -> None:
    captioned = searched.caption(drawn)
    answered = searched.ask(drawn, "what is it?")

    assert captioned.text
    assert captioned.match is not None
    assert answered.question == "what is it?"
    assert answered.answer
    assert searched.collection().images == 8


def test_a_question_is_answered_freely_or_from_choices(searched: ImageSearch) -> None:
    hit = searched.search("a red ball", limit=1)[0]

    answered = searched.ask(hit.id, "what color is the car?", ["tree", "black dog"])
    assert answered.answer in {"tree", "black dog"}
    assert answered.checkpoint.endswith("vqa")
    assert hit.ask("what color is the car?", ["tree", "black dog"]) == answered.answer
    assert hit.ask("what is it?") == searched.ask(hit.id, "what is it?").answer


def test_a_heat_map_is_drawn_of_the_searchs_sentence_or_of_another(searched: ImageSearch) -> None:
    hit = searched.search("a red ball", limit=1)[0]

    assert hit.heat_map().startswith(PNG)
    assert hit.heat_map("a tree").startswith(PNG)
    assert searched.heat_map(hit.id, "a red ball") == hit.heat_map()
    without_words = searched.search(image_id=hit.id, rerank=False)[0]
    with pytest.raises(QueryError, match="say which"):
        without_words.heat_map()
    assert without_words.heat_map("a ball").startswith(PNG)


def test_a_file_comes_as_it_is_and_a_thumbnail_small(searched: ImageSearch, pictures: Path) -> None:
    hit = searched.search("a red ball", limit=1)[0]

    assert hit.file() == searched.file(hit.id) == (pictures / hit.path).read_bytes()
    for small, size in ((hit.thumbnail(40), (40, 30)), (searched.thumbnail(hit.id, 16), (16, 12))):
        assert small.startswith(JPEG)
        assert Image.open(io.BytesIO(small)).size == size
    assert Image.open(io.BytesIO(hit.thumbnail())).size == (160, 120)


def test_all_is_told_of_an_image(searched: ImageSearch) -> None:
    hit = searched.search("a red ball", limit=1)[0]
    known = searched.image(hit.id)

    assert hit.detail() == known
    assert (known.id, known.status, known.path) == (hit.id, "indexed", hit.path)
    assert (known.width, known.height) == (160, 120)


def test_an_added_picture_is_found_changed_and_taken_out_again(
    searched: ImageSearch, drawn: Path
) -> None:
    added = searched.add_image(drawn, tags=["new", "art"], metadata={"album": "2026", "n": [1, {}]})
    assert added.path.endswith("-teal.png")
    assert added.tags == ("art", "new")
    assert added.metadata == {"album": "2026", "n": [1, {}]}
    found = searched.search("a disc", filter="tag:new")
    assert [hit.id for hit in found] == [added.id]
    assert found[0].metadata == added.metadata
    assert searched.file(added.id) == drawn.read_bytes()
    assert searched.collection().images == 9

    assert searched.change_image(added.id, tags=["old"]).tags == ("old",)
    changed = searched.change_image(added.id, metadata={"rating": 5})
    assert (changed.tags, changed.metadata) == (("old",), {"rating": 5})
    assert searched.change_image(added.id) == changed
    emptied = searched.change_image(added.id, tags=[], metadata={})
    assert (emptied.tags, emptied.metadata) == ((), {})

    searched.remove_image(added.id)
    with pytest.raises(ImageNotFoundError):
        searched.image(added.id)
    with pytest.raises(ImageNotFoundError):
        searched.remove_image(added.id)
    assert searched.collection().images == 8


def test_captions_that_people_write_are_found_by_their_words(searched: ImageSearch) -> None:
    changed = searched.change_image(3, captions=["Anna at the harbour", "a summer's day"])
    assert [(one.text, one.checkpoint) for one in changed.captions] == [
        ("Anna at the harbour", ""),
        ("a summer's day", ""),
    ]
    assert [hit.id for hit in searched.search("a disc", filter="caption:harbour")] == [3]
    assert [hit.id for hit in searched.search("anna", hybrid="only", rerank=False)] == [3]
    (hit,) = searched.search("a disc", filter="has:caption", include=["caption"])
    assert hit.caption() in {"Anna at the harbour", "a summer's day"}

    assert searched.change_image(3, captions=[]).captions == ()
    assert len(searched.search("a disc", filter="has:caption")) == 0


def test_the_same_bytes_are_one_image_in_whatever_form_they_come(
    searched: ImageSearch, drawn: Path
) -> None:
    content = drawn.read_bytes()
    first = searched.add_image(content, name="boat.png")
    try:
        assert first.path.endswith("-boat.png")
        assert searched.add_image(io.BytesIO(content), name="boat.png").id == first.id
        assert searched.collection().images == 9
    finally:
        searched.remove_image(first.id)


def test_a_name_is_only_the_end_of_the_files_name(searched: ImageSearch, tmp_path: Path) -> None:
    for number, name in enumerate((None, "../../etc/pass wd", "böot.png", "a\udcffb.png", "")):
        path = tmp_path / f"{number}.png"
        draw_picture(path, "teal", size=(60 + number, 50))
        added = searched.add_image(path.read_bytes(), name=name)
        assert not {"/", "\\", " ", "\udcff"} & set(added.path)
        ending = {
            "../../etc/pass wd": "-pass-wd",
            "böot.png": "-böot.png",
            "a\udcffb.png": "-b.png",
        }
        assert added.path.endswith(ending.get(name or "", ""))
        assert ("-" in added.path) == bool(name)
        searched.remove_image(added.id)


def test_an_image_from_memory_can_be_added(searched: ImageSearch) -> None:
    added = searched.add_image(Image.new("RGB", (70, 50), "teal"), name="memory.png")

    assert (added.width, added.height, added.format) == (70, 50, "PNG")
    searched.remove_image(added.id)


def test_a_removed_image_keeps_its_place_in_a_ranking_that_was_made_before(
    searched: ImageSearch, drawn: Path
) -> None:
    added = searched.add_image(drawn)
    page = searched.search(image_id=1, limit=1, rerank=False)
    searched.remove_image(added.id)

    rest = searched.more(page.next_cursor or "", limit=100)
    (gone,) = [hit for hit in rest if hit.removed] or [page[0]]
    assert gone.id == added.id
    for ask in (gone.file, gone.detail, gone.thumbnail, gone.caption):
        with pytest.raises(ImageNotFoundError):
            ask()


def test_the_collections_are_listed(searched: ImageSearch) -> None:
    (only,) = searched.collections()

    assert only == searched.collection() == searched.collection("default")
    assert (only.name, only.images, only.failed, only.missing) == ("default", 8, 0, 0)
    assert only.states.images == 8
