"""One script, with a client and in-process: only the line that opens differs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.contract.contract_makers import served

SCRIPT = """
import sys
from blipsearch import Client, open_library
from blipsearch.errors import BlipSearchError

place, picture = sys.argv[1:]
search = OPENED
with search:
    for hit in search.search("a red ball", limit=3, min_match=0.1, ask="what is it?"):
        print(hit.id, f"{hit.match:.4f} {hit.score:.4f} {hit.cosine:.4f}", hit.path, hit.answer)
        print(hit.caption(), hit.ask("what color is it?", ["red", "blue"]), len(hit.thumbnail(64)))
        print(len(hit.heat_map()), len(hit.file()), hit.detail().sha256)
    for page in search.iter_pages("2:a ball - people", limit=5):
        print(page, page.count, page.candidates, page.reranked, [hit.id for hit in page])
    for results in search.search_many([f"a {colour} disc" for colour in ("red", "green", "blue")]):
        print([hit.id for hit in results])
    for event in search.search_stream("a disc that nobody asked for yet"):
        print(type(event).__name__, getattr(event, "final", None))
    print([hit.id for hit in search.search_text("a ball + id:3 - a boat", limit=4)])
    print([hit.id for hit in search.search(image=picture, rerank=False, limit=4)])
    print(search.caption(picture), search.ask(picture, "what is it?"))
    added = search.add_image(picture, tags=["new"], metadata={"album": "2026"})
    print(added.id, added.path, added.tags, added.metadata)
    print(search.change_image(added.id, tags=["old"]).tags)
    print([hit.id for hit in search.search("a disc", filter="tag:old")])
    search.remove_image(added.id)
    print([one.model_dump_json() for one in search.collections()])
    for ask in (
        lambda: search.image(added.id),
        lambda: search.search("a ball", filter="nonsense:1"),
        lambda: search.search("a ball", collection="nowhere"),
        lambda: search.more("made-up"),
        lambda: search.add_image(b"no picture"),
        lambda: search.search("a ball", limit=0),
    ):
        try:
            ask()
        except BlipSearchError as error:
            print(type(error).__name__, error)
"""


def test_one_script_says_the_same_with_a_client_and_in_process(
    library: Path, golden: Path, tmp_path: Path, drawn: Path
) -> None:
    for name in ("near", "far"):
        shutil.copytree(library, tmp_path / name)
    with served(tmp_path / "far", golden) as server:
        far = output_of("Client(place)", [server.url, str(drawn)], golden)
    near = output_of("open_library(place)", [str(tmp_path / "near"), str(drawn)], golden)

    assert near == far
    assert len(near.splitlines()) > 30


def output_of(opened: str, arguments: list[str], golden: Path) -> str:
    environment = os.environ | {
        "BLIPSEARCH_DEVICE": "cpu",
        "BLIPSEARCH_CAPTION_CHECKPOINT": str(golden / "caption"),
        "BLIPSEARCH_ANSWER_CHECKPOINT": str(golden / "vqa"),
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.replace("OPENED", opened), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
