"""`blipsearch search` over a real library with a real tiny checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.blip import BlipRetriever
from tests.support import Command

QUERY = "a dog on the table"


def test_hits_are_ordered_by_itm_logit_plus_cosine_as_blip_publishes_it(
    blipsearch: Command, library: Path, golden: Path
) -> None:
    found = blipsearch("search", QUERY, "--library", library, "--json", "--device", "cpu").json

    retriever = BlipRetriever.from_pretrained(golden / "itm")
    pictures = [Image.open(hit["file"]).convert("RGB") for hit in found["hits"]]
    encoded = retriever.encode_images(pictures)
    logits = retriever.match(QUERY, encoded.states.astype(np.float16))  # as they are stored
    cosines = encoded.features @ retriever.get_text_features([QUERY])[0]
    scores = [hit["score"] for hit in found["hits"]]
    assert len(scores) == 8
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores, logits[:, 1] + cosines, atol=1e-5)
    np.testing.assert_allclose([hit["cosine"] for hit in found["hits"]], cosines, atol=1e-5)
    np.testing.assert_allclose(
        [hit["match"] for hit in found["hits"]], retriever.match_probability(logits), atol=1e-5
    )


def test_the_table_shows_match_cosine_and_path_best_first(
    blipsearch: Command, library: Path
) -> None:
    finished = blipsearch("search", QUERY, "-k", 3, "--library", library, "--device", "cpu")

    header, *rows = finished.out.splitlines()
    assert header.split() == ["match", "cosine", "path"]
    assert len(rows) == 3
    for row in rows:
        match, cosine, path = row.split(maxsplit=2)
        assert match.endswith("%")
        assert -1 <= float(cosine) <= 1
        assert Path(path).is_file()


def test_without_rerank_hits_are_ordered_by_cosine_and_carry_no_match(
    blipsearch: Command, library: Path
) -> None:
    found = blipsearch("search", QUERY, "--no-rerank", "--library", library, "--json").json

    cosines = [hit["cosine"] for hit in found["hits"]]
    assert cosines == sorted(cosines, reverse=True)
    assert [hit["score"] for hit in found["hits"]] == cosines
    assert {hit["match"] for hit in found["hits"]} == {None}


def test_min_match_leaves_out_everything_below_it_and_counts_the_rest(
    blipsearch: Command, library: Path
) -> None:
    everything = blipsearch("search", QUERY, "--library", library, "--json").json
    threshold = sorted(hit["match"] for hit in everything["hits"])[4]

    found = blipsearch(
        "search", QUERY, "--min-match", threshold, "-k", 2, "--library", library, "--json"
    ).json

    expected = [hit["id"] for hit in everything["hits"] if hit["match"] >= threshold]
    assert [hit["id"] for hit in found["hits"]] == expected[:2]
    assert found["count"] == len(expected)
    assert found["candidates"] == 8


def test_nothing_above_the_threshold_is_an_empty_answer_and_no_error(
    blipsearch: Command, library: Path
) -> None:
    finished = blipsearch("search", QUERY, "--min-match", 1, "--library", library)

    assert finished.code == 0
    assert finished.out == (
        "nothing matches 'a dog on the table' with a match of at least 100% (8 candidates)\n"
    )


def test_only_the_candidates_are_reranked(blipsearch: Command, library: Path) -> None:
    nearest = blipsearch("search", QUERY, "--no-rerank", "-k", 3, "--library", library, "--json")
    found = blipsearch(
        "search", QUERY, "--candidates", 3, "-k", 3, "--library", library, "--json"
    ).json

    assert {hit["id"] for hit in found["hits"]} == {hit["id"] for hit in nearest.json["hits"]}
    assert found["candidates"] == 3


def test_a_contact_sheet_is_drawn_with_a_tile_for_every_hit(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    finished = blipsearch("search", QUERY, "-k", 4, "--library", library, "--sheet", sheet)

    assert finished.code == 0
    with Image.open(sheet) as drawn:
        assert drawn.width > 4 * 200
        colours = drawn.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 100


def test_a_sheet_that_cannot_be_written_is_a_clear_error(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    finished = blipsearch(
        "search", QUERY, "--library", library, "--sheet", tmp_path / "no folder" / "sheet.png"
    )

    assert finished.code == 1
    assert "the contact sheet cannot be written" in finished.err


@pytest.mark.parametrize("query", ["", "   "])
def test_an_empty_query_is_refused(blipsearch: Command, library: Path, query: str) -> None:
    finished = blipsearch("search", query, "--library", library)

    assert finished.code == 1
    assert "the query is empty" in finished.err


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    """A folder of pictures that may be deleted."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for source in sorted(pictures.glob("*.*")):
        (folder / source.name).write_bytes(source.read_bytes())
    return folder


def test_with_states_stored_a_hit_is_judged_even_where_its_file_is_gone(
    blipsearch: Command, golden: Path, folder: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    blipsearch("index", folder, "--library", library, "--checkpoint", golden / "itm")
    before = blipsearch("search", QUERY, "--library", library, "--json").json
    for picture in folder.iterdir():
        picture.unlink()

    found = blipsearch("search", QUERY, "--library", library, "--json").json

    assert found["hits"] == before["hits"]
    assert found["reranked"] == found["candidates"] == 4


def test_a_file_that_is_gone_comes_after_every_verified_hit(
    blipsearch: Command, golden: Path, folder: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    blipsearch(
        *("index", folder, "--library", library, "--checkpoint", golden / "itm"),
        *("--states", "none"),
    )
    gone = min(folder.iterdir())
    gone.unlink()

    found = blipsearch("search", QUERY, "--library", library, "--json").json

    assert found["unverified"] == 1
    assert found["hits"][-1]["match"] is None
    assert found["hits"][-1]["path"] == gone.name
    assert all(hit["match"] is not None for hit in found["hits"][:-1])


def test_an_unknown_collection_names_the_ones_there_are(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("search", QUERY, "--library", library, "--collection", "holiday")

    assert finished.code == 1
    assert "'holiday'" in finished.err
    assert "default" in finished.err


def test_an_absent_library_names_the_command_that_makes_one(
    blipsearch: Command, tmp_path: Path
) -> None:
    finished = blipsearch("search", QUERY, "--library", tmp_path / "nowhere")

    assert finished.code == 1
    assert "blipsearch index" in finished.err
    assert not (tmp_path / "nowhere").exists()
