"""A small library of picture-book scenes, a server over it, and Debian's Chromium before it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from blipsearch.blip import BlipRetriever
from blipsearch.library import Library
from blipsearch.picturebook import Scene, full_caption, gallery, render
from indexer.indexing import index_collection
from indexer.records import IndexOptions
from tests.browser.slowline import Line, line_to
from tests.browser.visits import Visit
from tests.serving import Serving, serving, wait_until_ready

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SCENES = 44
SMALL, LARGE = 160, 256
"""Sides of the pictures in the folders `small` and `large`."""
PATIENCE = 60_000
"""Milliseconds after which something does not come any more, on a machine that has much to do."""

NewVisit = Callable[..., Visit]


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """The scenes of the pictures; the first has number 1."""
    return list(gallery(SCENES, 7))


@pytest.fixture(scope="session")
def sentences(scenes: list[Scene]) -> list[str]:
    """What each picture shows, so what finds it."""
    return [full_caption(scene) for scene in scenes]


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory: pytest.TempPathFactory, scenes: list[Scene]) -> Path:
    """The pictures, every other one of them small, each taken in one of twelve months."""
    folder = tmp_path_factory.mktemp("scenes")
    for number, scene in enumerate(scenes, start=1):
        small = number % 2
        path = folder / ("small" if small else "large") / f"scene-{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Crayon", "C-100" if small else "C-200"
        exif.get_ifd(0x8769)[0x9003] = f"2024:{1 + number % 12:02}:01 12:00:00"
        render(scene, SMALL if small else LARGE).save(path, exif=exif, quality=90)
    return folder


@pytest.fixture(scope="session")
def scene_library(tmp_path_factory: pytest.TempPathFactory, scene_folder: Path) -> Path:
    """A library with a collection `scenes`; not to be written to."""
    directory = tmp_path_factory.mktemp("browsed") / "library"
    retriever = BlipRetriever.from_pretrained("builtin", device="cpu")
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("scenes", retriever.identity) as collection,
    ):
        index_collection(collection, retriever, [scene_folder], IndexOptions(batch_size=16))
        collection.set_tags(1, ["favourite", "night"])
        collection.set_metadata(1, {"price": 20})
    return directory


@pytest.fixture(scope="session")
def server(scene_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(scene_library, tmp_path_factory.mktemp("served") / "log") as server:
        wait_until_ready(server.url)
        yield server


@pytest.fixture
def line(server: Serving) -> Iterator[Line]:
    """A slow line to the server; ask for it before the visits, which end before it does."""
    with line_to(server) as line:
        yield line


@pytest.fixture(scope="module")
def own_library(scene_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library that a module may write to."""
    return Path(shutil.copytree(scene_library, tmp_path_factory.mktemp("own") / "library"))


@pytest.fixture(scope="module")
def own_server(own_library: Path) -> Iterator[Serving]:
    """A server over it; the last test of the module may kill it."""
    with serving(own_library, own_library.with_name("log")) as server:
        wait_until_ready(server.url)
        yield server


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Where Chromium is; without it nothing here can be tested."""
    if not CHROMIUM.is_file():
        reason = f"there is no {CHROMIUM}: install Debian's package `chromium`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return CHROMIUM


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """A browser for one module: while Playwright runs, no other test may run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def new_visit(browser: Browser, server: Serving) -> Iterator[NewVisit]:
    """Begin visits, of the shared server if no other is named; they are checked at the end."""
    expect.set_options(timeout=PATIENCE)
    visits: list[Visit] = []

    def begin(url: str = "", **options: object) -> Visit:
        wanted = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
        context = browser.new_context(**wanted)  # type: ignore[arg-type]  # checked by Playwright
        context.set_default_timeout(PATIENCE)
        visits.append(Visit(context.new_page(), url or server.url))
        return visits[-1]

    yield begin
    for visit in visits:
        visit.page.context.close()
        visit.check()


@pytest.fixture
def visit(new_visit: NewVisit) -> Visit:
    """A visit on a desktop's screen."""
    return new_visit()
