"""`--server`: the command line asks a service, and prints what it would print by itself."""

import json
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from blipsearch.library import Library
from tests.serving import Serving, serving, wait_until_ready
from tests.support import Command


@pytest.fixture(scope="module")
def service(
    library: Path, golden: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A service of the eight pictures that can caption and answer, too."""
    log = tmp_path_factory.mktemp("service") / "log"
    checkpoints = (
        "--caption-checkpoint",
        golden / "caption",
        "--answer-checkpoint",
        golden / "vqa",
    )
    with serving(library, log, *checkpoints) as service:
        wait_until_ready(service.url)
        yield service


def test_a_search_finds_what_the_library_itself_finds(
    blipsearch: Command, service: Serving, library: Path
) -> None:
    asked = ("search", "a red ball - people", "-k", 5, "--filter", "width>=100", "--json")

    there = blipsearch(*asked, "--server", service.url)
    here = blipsearch(*asked, "--library", library, "--device", "cpu")

    assert there.code == 0, there.err
    found, known = there.json["hits"], here.json["hits"]
    assert [hit["path"] for hit in found] == [hit["path"] for hit in known]
    assert [hit["match"] for hit in found] == pytest.approx([hit["match"] for hit in known])
    assert "file" not in found[0]  # the file is not on this machine


def test_hits_are_printed_with_their_path_in_the_collection(
    blipsearch: Command, service: Serving
) -> None:
    lines = blipsearch("search", "a red ball", "-k", 3, "--server", service.url).out.splitlines()

    assert lines[0] == " match  cosine  path"
    assert len(lines) == 4
    assert all(line.split()[2].endswith((".jpg", ".png", ".webp")) for line in lines[1:])


def test_an_image_file_of_this_machine_can_be_the_query(
    blipsearch: Command, service: Serving, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    (best,) = blipsearch("search", "./red.jpg", "-k", 1, "--server", service.url, "--json").json[
        "hits"
    ]

    assert best["path"] == "red.jpg"
    assert best["cosine"] == pytest.approx(1.0, abs=1e-3)


def test_sheets_and_heat_maps_are_drawn_from_what_the_service_sends(
    blipsearch: Command, service: Serving, tmp_path: Path
) -> None:
    drawn = ("--sheet", tmp_path / "sheet.png", "--heat-maps", tmp_path / "maps")
    finished = blipsearch("search", "a red ball", "-k", 2, "--server", service.url, *drawn)

    assert finished.code == 0, finished.err
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 500
    maps = sorted((tmp_path / "maps").iterdir())
    assert [path.name[:4] for path in maps] == ["001-", "002-"]
    for path in maps:
        with Image.open(path) as heat_map:
            assert heat_map.format == "PNG"


def test_files_and_indexed_images_are_captioned_there_as_here(
    blipsearch: Command, service: Serving, golden: Path, library: Path
) -> None:
    picture = golden / "images" / "0.png"
    images = (picture, "id:1")

    there = blipsearch("caption", *images, "--server", service.url)
    here = blipsearch(
        *("caption", *images, "--checkpoint", golden / "caption"),
        *("--library", library, "--device", "cpu"),
    )

    assert there.code == here.code == 0, there.err + here.err
    assert there.out == here.out
    assert there.out.startswith(f"{picture}\ta picture of ")


def test_questions_about_files_and_indexed_images_are_answered_there_as_here(
    blipsearch: Command, service: Serving, golden: Path, library: Path
) -> None:
    asked = (
        *("ask", golden / "images" / "0.png", "id:1", "-q", "what color is the car?"),
        *("--choice", "tree", "--choice", "black dog", "--json"),
    )

    there = blipsearch(*asked, "--server", service.url)
    here = blipsearch(
        *asked, "--checkpoint", golden / "vqa", "--library", library, "--device", "cpu"
    )

    assert there.code == here.code == 0, there.err + here.err
    assert there.json == here.json
    assert len(there.json["answers"]) == 2


def test_what_cannot_be_read_is_reported_and_the_others_are_captioned(
    blipsearch: Command, service: Serving, golden: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_text("no picture at all")
    images = (tmp_path / "bad.jpg", tmp_path / "none.jpg", "id:4000", golden / "images" / "0.png")

    finished = blipsearch("caption", *images, "--server", service.url, "--json")

    assert finished.code == 3
    assert [row["path"] for row in finished.json["captions"]] == [str(images[3])]
    assert [row["path"] for row in finished.json["failed"]] == [str(name) for name in images[:3]]


def test_an_id_that_is_not_there_is_reported_without_a_service_too(
    blipsearch: Command, golden: Path, library: Path
) -> None:
    finished = blipsearch(
        *("caption", "id:4000", golden / "images" / "0.png", "--json"),
        *("--checkpoint", golden / "caption", "--library", library),
    )

    assert finished.code == 3
    assert [row["path"] for row in finished.json["failed"]] == ["id:4000"]
    assert len(finished.json["captions"]) == 1


def test_status_tells_of_the_service_and_its_collections(
    blipsearch: Command, service: Serving
) -> None:
    told = blipsearch("status", "--server", service.url, "--json").json
    said = blipsearch("status", "--server", service.url).out

    assert (told["server"], told["status"]) == (service.url, "ready")
    assert [one["images"] for one in told["collections"]] == [8]
    assert said.startswith(f"server {service.url}, status ready\n  default: 8 images")


def test_the_environment_can_name_the_service(
    blipsearch: Command, service: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLIPSEARCH_SERVER", service.url)

    assert blipsearch("status", "--json").json["server"] == service.url


@pytest.mark.parametrize(
    "command",
    [
        ("search", "a dog", "--device", "cpu"),
        ("search", "a dog", "--library", "somewhere"),
        ("caption", "a.jpg", "--beams", "1"),
        ("ask", "a.jpg", "-q", "what?", "--checkpoint", "builtin"),
        ("status", "--library", "somewhere"),
    ],
    ids=" ".join,
)
def test_options_about_this_machine_are_refused_beside_a_server(
    blipsearch: Command, command: tuple[str, ...]
) -> None:
    finished = blipsearch(*command, "--server", "http://127.0.0.1:9")

    assert finished.code == 2
    assert "is about this machine" in finished.err


def test_a_search_that_a_service_answers_loads_neither_torch_nor_faiss(service: Serving) -> None:
    script = textwrap.dedent(
        f"""
        import sys
        from blipsearch.cli import run
        try:
            run(["search", "a red ball", "--server", {service.url!r}])
        except SystemExit as exited:
            assert exited.code == 0, exited.code
        print(*sorted({{"torch", "transformers", "faiss", "sqlalchemy"}} & set(sys.modules)))
        """
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == ""


def test_errors_of_the_service_are_those_of_the_library(
    blipsearch: Command, service: Serving
) -> None:
    unknown = blipsearch("search", "a dog", "--collection", "holiday", "--server", service.url)
    wrong = blipsearch("search", "a dog", "--filter", "hieght>5", "--server", service.url)

    assert (unknown.code, wrong.code) == (1, 1)
    assert "'holiday'" in unknown.err
    assert "default" in unknown.err
    assert "height" in wrong.err


def test_a_service_that_is_not_there_is_named(blipsearch: Command) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        finished = blipsearch("status", "--server", f"http://127.0.0.1:{port}")

    assert finished.code == 1
    assert f"no connection to 127.0.0.1 at port {port}" in finished.err
    assert "Traceback" not in finished.err


def test_the_key_comes_from_the_environment(
    blipsearch: Command, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(shutil.copytree(library, tmp_path / "own"))
    with Library.open(own) as opened:
        _, key = opened.keys.make("reader", "read")
    with serving(own, tmp_path / "log") as guarded:
        without = blipsearch("search", "a dog", "--no-rerank", "--server", guarded.url)
        monkeypatch.setenv("BLIPSEARCH_API_KEY", key)
        found = blipsearch("search", "a dog", "--no-rerank", "--server", guarded.url, "--json")

    assert without.code == 1
    assert "BLIPSEARCH_API_KEY" in without.err
    assert found.code == 0, found.err
    assert len(json.loads(found.out)["hits"]) == 8
    assert key not in found.out + found.err + without.err
