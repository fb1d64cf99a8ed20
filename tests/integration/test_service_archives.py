"""Images in archives and behind manifests, from the command line to a service over real HTTP."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image

from tests.serving import serving, wait_until_ready
from tests.support import Command, draw_picture

IMAGES = "/v1/collections/default/images"
SEARCH = "/v1/collections/default/search"


@pytest.fixture
def drawn(tmp_path: Path) -> dict[str, bytes]:
    """Three pictures' bytes: one in a zip, one in a packed tar, one that a manifest names."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        draw_picture(folder / f"{colour}.png", colour)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(folder / "red.png", "below/red.png")
    with tarfile.open(folder / "b.tar.gz", "w:gz") as packed:
        packed.add(folder / "green.png", "green.png")
        note = tarfile.TarInfo("green.txt")
        note.size = 12
        packed.addfile(note, io.BytesIO(b"a green disc"))
    with (folder / "c.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "tags"], ["blue.png", "sea"]])
    return {colour: (folder / f"{colour}.png").read_bytes() for colour in ("red", "green", "blue")}


def _index(blipsearch: Command, tmp_path: Path, golden: Path, *sources: str) -> Any:
    folder = tmp_path / "drawn"
    return blipsearch(
        *("index", *(folder / source for source in sources), "--library", tmp_path / "library"),
        *("--checkpoint", golden / "itm", "--device", "cpu", "--json"),
    ).json


def test_a_service_shows_images_that_are_in_archives_and_manifests(
    blipsearch: Command, tmp_path: Path, golden: Path, drawn: dict[str, bytes]
) -> None:
    done = _index(blipsearch, tmp_path, golden, "a.zip", "b.tar.gz", "c.csv")
    assert (done["added"], done["failed"]) == (3, [])

    with (
        serving(tmp_path / "library", tmp_path / "log") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        wait_until_ready(service.url)
        hits = client.post(SEARCH, json={"query": "a disc"}).json()["hits"]
        by_path = {hit["path"]: hit["id"] for hit in hits}
        assert set(by_path) == {"below/red.png", "green.png", "blue.png"}
        for path, image_id in by_path.items():
            content = drawn[Path(path).stem]
            sent = client.get(f"{IMAGES}/{image_id}/file")
            assert (sent.status_code, sent.headers["content-type"]) == (200, "image/png")
            assert sent.content == content
            assert int(sent.headers["content-length"]) == len(content)
            small = client.get(f"{IMAGES}/{image_id}/thumbnail", params={"size": 64})
            assert Image.open(io.BytesIO(small.content)).size == (64, 48)
            heat = client.get(f"{IMAGES}/{image_id}/heatmap", params={"text": "a disc"})
            assert (heat.status_code, heat.headers["content-type"]) == (200, "image/png")
            detail = client.get(f"{IMAGES}/{image_id}").json()
            assert detail["sha256"] == hashlib.sha256(content).hexdigest()
        green = client.get(f"{IMAGES}/{by_path['green.png']}").json()
        assert [one["text"] for one in green["captions"]] == ["a green disc"]
        blue = client.get(f"{IMAGES}/{by_path['blue.png']}").json()
        assert blue["tags"] == ["sea"]

        (tmp_path / "drawn" / "a.zip").unlink()
        gone = client.get(f"{IMAGES}/{by_path['below/red.png']}/file")
        assert gone.status_code == 404


def test_a_run_over_archives_and_manifests_that_are_as_before_opens_no_image(
    blipsearch: Command, tmp_path: Path, golden: Path, drawn: dict[str, bytes]
) -> None:
    sources = ("a.zip", "b.tar.gz", "c.csv")
    assert drawn
    _index(blipsearch, tmp_path, golden, *sources)
    again = _index(blipsearch, tmp_path, golden, *sources)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 3)


def test_the_command_line_reads_images_in_archives(
    blipsearch: Command, tmp_path: Path, golden: Path, drawn: dict[str, bytes]
) -> None:
    assert drawn
    _index(blipsearch, tmp_path, golden, "a.zip")
    sheet = tmp_path / "sheet.png"
    options = ("--library", tmp_path / "library", "--device", "cpu")
    found = blipsearch("search", "a disc", "--sheet", sheet, "--json", *options)
    assert found.code == 0
    hit = found.json["hits"][0]
    assert hit["path"] == "below/red.png"
    shown = Image.open(sheet).convert("RGB")
    assert any(pixel == (255, 0, 0) for _, pixel in shown.getcolors(10**6) or [])
    written = blipsearch(
        *("caption", f"id:{hit['id']}", "--checkpoint", golden / "caption"), *options
    )
    assert written.code == 0
