"""One picture, large: what the page tells of it and lets it be asked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visits import Visit

Opened = Callable[..., Visit]


@pytest.fixture
def opened(visit: Visit, sentences: list[str]) -> Opened:
    """Search for a scene by its sentence, and open the best picture."""

    def open_best(number: int = 5) -> Visit:
        visit.open(q=sentences[number - 1])
        visit.see_judged()
        visit.cards.first.click()
        expect(visit.dialog).to_be_visible()
        return visit

    return open_best


def test_the_detail_tells_the_match_and_what_is_known_of_the_file(
    opened: Opened, sentences: list[str]
) -> None:
    visit = opened(2)

    expect(visit.page.locator("#detail-name")).to_have_text("scene-02.jpg")
    expect(visit.page.locator("#detail-match")).to_contain_text(f"% match with “{sentences[1]}”")
    expect(visit.page.locator("#detail-match")).to_contain_text("Cosine 0.")
    about = visit.page.locator("#detail-about")
    for fact in (
        "256 \N{MULTIPLICATION SIGN} 256",
        "JPEG",
        "March 1, 2024",
        "C-200",
        "large/scene-02.jpg",
        "price",
    ):
        expect(about).to_contain_text(fact)
    for tag in ("favourite", "night"):
        expect(visit.page.locator("#detail-tags")).to_contain_text(tag)
    picture = visit.page.locator("#detail-picture")
    expect(picture).to_have_js_property("naturalWidth", 256)
    address = visit.page.get_by_role("link", name="Open the file").get_attribute("href")
    sent = visit.page.request.get(f"{visit.url}{address}")
    assert (sent.status, sent.headers["content-type"]) == (200, "image/jpeg")


def test_a_caption_is_written_when_asked_for(opened: Opened) -> None:
    visit = opened()
    visit.page.get_by_role("button", name="Write a caption").click()

    caption = visit.page.locator("#detail-captions .caption")
    expect(caption).to_contain_text("% match")
    assert len(caption.inner_text().split()) > 3
    expect(visit.page.get_by_role("button", name="Write a caption")).to_be_hidden()


def test_a_question_is_answered_and_so_is_the_next(opened: Opened) -> None:
    visit = opened()
    question = visit.page.get_by_role("textbox", name="Ask it")
    answers = visit.page.locator("#detail-answers dd")

    question.fill("is there an umbrella?")
    question.press("Enter")
    expect(answers).to_have_count(1)
    expect(answers.first).not_to_have_text("Looking…")
    expect(question).to_have_value("")
    question.fill("what is there?")
    visit.page.get_by_role("button", name="Ask", exact=True).click()
    expect(answers).to_have_count(2)
    expect(visit.page.locator("#detail-answers dt").first).to_have_text("what is there?")
    expect(answers.first).not_to_have_text("Looking…")
    assert all(answer.inner_text() for answer in answers.all())


def test_the_heat_map_of_the_query_is_laid_over_and_taken_away(
    opened: Opened, sentences: list[str]
) -> None:
    visit = opened()
    toggle = visit.page.get_by_role("button", name="Heat map")

    toggle.click()
    drawn = visit.page.get_by_role("img", name=f"Heat map of “{sentences[4]}”")
    expect(drawn).to_be_visible()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert int(drawn.evaluate("(img) => img.decode().then(() => img.naturalWidth)")) > 500
    toggle.click()
    expect(drawn).to_be_hidden()
    expect(visit.page.locator("#detail-picture")).to_be_visible()


def test_more_like_this_searches_by_the_picture(opened: Opened) -> None:
    visit = opened()
    visit.page.get_by_role("button", name="More like this").click()

    expect(visit.dialog).to_be_hidden()
    expect(visit.page.locator("#chip")).to_contain_text("Like picture")
    expect(visit.summary).to_contain_text("43 pictures")
    assert "scene-05.jpg" not in visit.names()
    expect(visit.matches).to_have_count(0)
    visit.cards.first.click()
    expect(visit.page.locator("#detail-match")).to_contain_text("Cosine 0.")
    expect(visit.page.get_by_role("button", name="Heat map")).to_be_hidden()


def test_a_picture_that_is_searched_by_matches_by_its_caption_above_a_threshold(
    visit: Visit,
) -> None:
    visit.open(like=1, match=60)

    expect(visit.page.locator("#empty")).to_contain_text("60 % or more")
    visit.page.get_by_role("slider", name="Only real matches").fill("0")
    expect(visit.summary).to_contain_text("43 pictures")


def test_arrow_keys_lead_from_picture_to_picture_and_escape_back_to_the_last(
    opened: Opened,
) -> None:
    visit = opened()
    names = visit.names()
    expect(visit.page.get_by_role("button", name="Previous picture")).to_be_hidden()

    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#detail-name")).to_have_text(names[1])
    visit.page.get_by_role("button", name="Next picture").click()
    expect(visit.page.locator("#detail-name")).to_have_text(names[2])
    visit.page.keyboard.press("ArrowLeft")
    expect(visit.page.locator("#detail-name")).to_have_text(names[1])

    visit.page.keyboard.press("Escape")
    expect(visit.dialog).to_be_hidden()
    expect(visit.cards.nth(1)).to_be_focused()
    expect(visit.page).not_to_have_url(re.compile("hit="))


def test_arrow_keys_in_the_question_move_its_cursor_alone(opened: Opened) -> None:
    visit = opened()
    visit.page.get_by_role("textbox", name="Ask it").fill("where")
    visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("ArrowLeft")

    expect(visit.page.locator("#detail-name")).to_have_text("scene-05.jpg")
