"""Searching on the page: by sentence, by picture, inside a filter, above a threshold."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from blipsearch.picturebook import Scene, is_true
from tests.browser.conftest import LARGE, SCENES, NewVisit
from tests.browser.slowline import Line
from tests.browser.visits import PERCENT, Visit, refuse

NOT_THERE = "a green elephant next to a pink rocket at night"


def number_of(name: str) -> int:
    return int(name.removeprefix("scene-").removesuffix(".jpg"))


def filter_field(visit: Visit) -> Locator:
    return visit.page.get_by_role("textbox", name="Filter")


def test_a_first_visit_shows_the_collection_and_sentences_to_begin_with(visit: Visit) -> None:
    visit.open()

    expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
    expect(visit.page.locator("#lead")).to_contain_text(f"{SCENES} pictures")
    expect(visit.cards.first).to_be_visible()
    expect(visit.page.get_by_role("searchbox")).to_be_focused()
    visit.page.get_by_role("button", name="three trains").click()
    visit.see_judged()
    expect(visit.page.get_by_role("searchbox")).to_have_value("three trains")


def test_a_sentence_shows_pictures_with_their_match_the_best_first(
    visit: Visit, scenes: list[Scene], sentences: list[str]
) -> None:
    visit.open()
    visit.search(sentences[4])

    names = visit.names()
    assert names[0] == "scene-05.jpg"
    assert len(set(names)) == len(names) == 30
    expect(visit.matches.first).to_have_text("> 99 % match")
    expect(visit.page.locator(".match").first).to_have_attribute("data-level", "strong")
    expect(visit.summary).to_contain_text(f"{SCENES} pictures · {SCENES} judged")
    weak = visit.page.locator(".card:has(.match[data-level=weak]) img").last
    number = number_of(weak.get_attribute("alt") or "")
    assert not is_true(sentences[4], scenes[number - 1])


def test_pictures_come_at_once_then_their_matches_and_then_the_order_settles(
    line: Line, new_visit: NewVisit, sentences: list[str]
) -> None:
    visit = new_visit(line.url, reduced_motion="no-preference")
    visit.open(q=f"{sentences[4]} + {sentences[9]}")

    expect(visit.page.locator(".skeleton").first).to_be_visible()
    line.let_through()
    expect(visit.page.locator(".match[data-level=pending]")).to_have_count(30)
    expect(visit.page.locator("#judging")).to_have_text(f"Judging 0 of {SCENES}")
    nearest = visit.names()

    line.let_through()
    expect(visit.page.locator(".match[data-level=pending]")).to_have_count(0)
    expect(visit.matches.first).to_contain_text(PERCENT)
    assert visit.names() == nearest
    expect(visit.summary).to_be_empty()

    line.open_for_good()
    expect(visit.summary).to_contain_text("judged")
    expect(visit.page.locator("#judging")).to_be_empty()
    assert visit.names() != nearest
    assert len(visit.names()) == 30


def test_a_new_search_ends_the_one_that_was_running(
    line: Line, new_visit: NewVisit, sentences: list[str]
) -> None:
    visit = new_visit(line.url)
    visit.open(q=f"{sentences[10]} + {sentences[11]}")
    line.let_through()
    expect(visit.cards).to_have_count(30)

    visit.page.get_by_role("searchbox").fill(sentences[9])
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#grid")).to_have_attribute("aria-busy", "true")
    line.open_for_good()

    visit.see_judged()
    assert visit.names()[0] == "scene-10.jpg"
    expect(visit.notice).to_be_hidden()


def test_what_must_not_be_there_is_left_out(visit: Visit) -> None:
    visit.open(q="a tree - a dog")
    visit.see_judged()

    visit.page.keyboard.press("/")
    visit.page.keyboard.type('"a tree')
    visit.page.keyboard.press("Enter")
    visit.expected.add("422")
    expect(visit.page.locator("#q-error")).to_contain_text("closing quote")
    expect(visit.cards).to_have_count(30)


def test_a_filter_narrows_and_can_be_taken_away(visit: Visit, sentences: list[str]) -> None:
    visit.open(q=sentences[4])
    visit.see_judged()
    visit.page.get_by_role("button", name="Filters").click()

    filter_field(visit).fill(f"width>={LARGE}")
    visit.page.keyboard.press("Enter")
    expect(visit.summary).to_contain_text(f"{SCENES // 2} pictures")
    assert {number_of(name) % 2 for name in visit.names()} == {0}

    visit.page.get_by_role("button", name="Remove the filter").click()
    expect(visit.summary).to_contain_text(f"{SCENES} pictures")
    expect(filter_field(visit)).to_have_value("")


BUILT: tuple[tuple[str, dict[str, str], str, int], ...] = (
    ("Tag", {"Is": "favourite"}, "tag:favourite", 1),
    ("Without tag", {"Is not": "no such tag"}, '-tag:"no such tag"', SCENES),
    ("Date taken", {"From": "2024-02-01", "To": "2024-03-31"}, "2024-02-01..2024-03-31", 8),
    ("Date taken", {"From": "2024-12-01"}, "taken_at:2024-12-01..", 3),
    ("Date taken", {"To": "2024-01-31"}, "taken_at:..2024-01-31", 3),
    ("Minimum width", {"Pixels": "200"}, "width>=200", SCENES // 2),
    ("Folder", {"Path": "large"}, "path:large", SCENES // 2),
    ("File name", {"Contains": "ne-01"}, "name:*ne-01*", 1),
    ("Camera", {"Contains": "c-100"}, "camera:*c-100*", SCENES // 2),
    ("Orientation", {}, "orientation:landscape", 0),
    ("Has", {}, "has:location", 0),
)
"""Kinds of conditions, what is put into their fields, what is written, and how many pass it."""


def test_the_builder_writes_conditions_that_the_service_understands(visit: Visit) -> None:
    visit.open(q="a dog")
    visit.see_judged()
    visit.page.get_by_role("button", name="Filters").click()
    builder = visit.page.get_by_role("form", name="Build a condition")
    for kind, values, written, count in BUILT:
        filter_field(visit).fill("")
        builder.get_by_role("combobox", name="Add a condition").select_option(kind)
        for label, value in values.items():
            builder.get_by_label(label, exact=True).fill(value)
        builder.get_by_role("button", name="Add").click()

        expect(filter_field(visit)).to_have_value(re.compile(re.escape(written)))
        if count == 0:
            expect(visit.page.locator("#empty h2")).to_have_text("No picture passes the filter")
        else:
            pictures = "1 picture ·" if count == 1 else f"{count} pictures ·"
            expect(visit.summary).to_contain_text(pictures)


def test_a_second_condition_narrows_an_alternative_as_a_whole(visit: Visit) -> None:
    visit.open(q="a dog", filter="tag:favourite or path:small")
    visit.see_judged()
    visit.page.get_by_role("button", name="Filters").click()
    builder = visit.page.get_by_role("form", name="Build a condition")

    builder.get_by_role("combobox", name="Add a condition").select_option("Minimum width")
    builder.get_by_label("Pixels").fill("200")
    builder.get_by_role("button", name="Add").click()

    expect(visit.summary).to_contain_text("1 picture ·")
    expect(filter_field(visit)).to_have_value("(tag:favourite or path:small) width>=200")


def test_a_filter_that_is_not_understood_says_so_at_its_field(visit: Visit) -> None:
    visit.expected.add("422")
    visit.open(q="a dog")
    visit.see_judged()
    visit.page.get_by_role("button", name="Filters").click()

    filter_field(visit).fill("tag:sea widht>5")
    visit.page.keyboard.press("Enter")

    expect(visit.page.locator("#filter-error")).to_contain_text("did you mean 'width'?")
    expect(filter_field(visit)).to_have_attribute("aria-invalid", "true")
    expect(filter_field(visit)).to_be_focused()
    expect(visit.cards).to_have_count(30)
    filter_field(visit).fill("tag:favourite")
    visit.page.keyboard.press("Enter")
    expect(visit.summary).to_contain_text("1 picture ·")
    expect(visit.page.locator("#filter-error")).to_be_empty()


def test_a_filter_that_nothing_passes_is_named_and_can_be_dropped(visit: Visit) -> None:
    visit.open(q="a dog", filter="tag:none")

    expect(visit.page.get_by_role("heading", name="No picture passes the filter")).to_be_visible()
    visit.page.get_by_role("button", name="Search without the filter").click()
    visit.see_judged()
    expect(visit.cards).to_have_count(30)


def test_above_the_threshold_nothing_matches_what_is_not_there(
    visit: Visit, scenes: list[Scene]
) -> None:
    assert not any(is_true(NOT_THERE, scene) for scene in scenes)
    visit.open(q=NOT_THERE)
    visit.see_judged()

    slider = visit.page.get_by_role("slider", name="Only real matches")
    slider.fill("50")
    expect(visit.page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    expect(visit.page.locator("#empty")).to_contain_text(f"of {SCENES} candidates")
    expect(visit.page.locator("#empty")).to_contain_text("50 % or more")
    expect(visit.cards).to_have_count(0)
    expect(slider).to_have_attribute("aria-valuetext", "50 % or more")

    visit.page.get_by_role("button", name="Show the nearest anyway").click()
    expect(visit.cards).to_have_count(30)
    expect(slider).to_have_value("0")


def test_above_the_threshold_only_real_matches_are_left(visit: Visit, sentences: list[str]) -> None:
    visit.open(q=sentences[4], match=90)

    expect(visit.summary).to_contain_text("90 % or more")
    names = visit.names()
    assert names[0] == "scene-05.jpg"
    assert 1 <= len(names) < 10


def test_scrolling_on_brings_the_pictures_behind_the_first_page(visit: Visit) -> None:
    visit.open(q="a dog")
    visit.see_judged()
    visit.page.locator("#more").scroll_into_view_if_needed()

    expect(visit.cards).to_have_count(SCENES)
    assert len(set(visit.names())) == SCENES
    expect(visit.page.locator("#more")).to_be_hidden()


def test_results_that_are_not_kept_any_longer_can_be_searched_anew(visit: Visit) -> None:
    visit.open(q="a cat")
    visit.see_judged()
    visit.page.route(
        "**/search", lambda route: refuse(route, 410, "cursor_expired", "the cursor has expired")
    )

    visit.expected.add("410")
    visit.page.locator("#more").scroll_into_view_if_needed()
    expect(visit.notice).to_contain_text("not kept any longer")
    expect(visit.cards).to_have_count(30)
    visit.page.unroute("**/search")
    visit.page.get_by_role("button", name="Search again").click()
    expect(visit.notice).to_be_hidden()
    visit.see_judged()
    visit.page.locator("#more").scroll_into_view_if_needed()
    expect(visit.cards).to_have_count(SCENES)
