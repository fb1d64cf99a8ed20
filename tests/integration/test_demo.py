"""The demo finds what is there, says so when nothing is, and can be run again."""

import re
from pathlib import Path

import pytest

from blipsearch.demo import ensure_demo, show
from blipsearch.demo.gallery import GALLERY_SEED, GALLERY_SIZE
from blipsearch.demo.showcase import ASKED, NOT_THERE, Showcase
from blipsearch.picturebook import Scene, gallery, is_true
from blipsearch.settings import Settings, make_settings
from tests.readme import CONSOLE, assert_shown
from tests.support import Command


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(gallery(GALLERY_SIZE, GALLERY_SEED))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = make_settings(library=tmp_path_factory.mktemp("demo") / "library", device="cpu")
    drawn: list[int] = []
    summary = ensure_demo(
        settings, on_drawn=lambda done, _total: drawn.append(done), on_indexed=lambda _: None
    )
    assert drawn == list(range(1, GALLERY_SIZE + 1))
    assert summary.added == GALLERY_SIZE
    return settings


@pytest.fixture(scope="module")
def showcase(settings: Settings) -> Showcase:
    return show(settings)


def scene_of(file: Path, scenes: list[Scene]) -> Scene:
    (number,) = re.findall(r"\d+", file.stem)
    return scenes[int(number) - 1]


@pytest.mark.parametrize("number", range(len(ASKED)), ids=[asked.shows for asked in ASKED])
def test_the_best_hit_of_every_text_query_shows_what_was_asked_for(
    showcase: Showcase, scenes: list[Scene], number: int
) -> None:
    shown = showcase.shown[number]

    best = shown.hits[0]
    assert is_true(shown.query, scene_of(best.file, scenes))
    assert best.hit.match is not None
    assert best.hit.match >= 0.5


def test_the_image_query_finds_the_picture_itself_first(showcase: Showcase) -> None:
    shown = showcase.shown[-2]

    assert shown.hits[0].file.name == shown.query
    assert shown.hits[0].hit.cosine == pytest.approx(1, abs=1e-4)


def test_a_query_that_nothing_matches_has_no_hits(showcase: Showcase, scenes: list[Scene]) -> None:
    shown = showcase.shown[-1]

    assert not any(is_true(NOT_THERE.query, scene) for scene in scenes)
    assert shown.query == NOT_THERE.query
    assert shown.hits == ()


def test_the_page_shows_every_hit_and_every_picture_it_names_is_there(
    showcase: Showcase,
) -> None:
    page = showcase.page.read_text(encoding="utf-8")

    named = re.findall(r'<img src="([^"]+)"', page)
    assert len(named) == sum(len(shown.hits) for shown in showcase.shown)
    assert [name for name in named if not (showcase.page.parent / name).is_file()] == []
    assert "Nothing matches" in page
    assert all(shown.sheet.is_file() for shown in showcase.shown)


def test_captions_and_answers_speak_the_language_of_the_world(showcase: Showcase) -> None:
    hits = [hit for shown in showcase.shown for hit in shown.hits]

    assert all(len(hit.caption.split()) >= 2 for hit in hits)
    answered = [hit for shown in showcase.shown if shown.question for hit in shown.hits]
    assert answered
    assert all(hit.answer for hit in answered)


def test_the_demo_again_adds_nothing_and_prints_what_the_readme_shows(
    blipsearch: Command, settings: Settings, showcase: Showcase
) -> None:
    finished = blipsearch("demo", "--library", settings.library)

    assert finished.code == 0
    assert f"0 pictures added, {GALLERY_SIZE} unchanged" in finished.out
    assert str(showcase.page) in finished.out
    assert "blipsearch serve --library" in finished.out
    shown = CONSOLE[0].shown
    assert len(shown) > len(showcase.shown)
    assert_shown(shown, finished.out)
