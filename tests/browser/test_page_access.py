"""Nothing on the page keeps anybody out: axe finds no violation, in light and in dark."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.visits import Visit

NOT_THERE = "a green elephant next to a pink rocket at night"


def test_a_first_visit_has_no_barrier(visit: Visit) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.see_no_barrier()


def test_results_with_open_filters_have_no_barrier(visit: Visit) -> None:
    visit.open(q="a dog", filter="width>100")
    visit.see_judged()
    visit.page.get_by_role("button", name="Filters").click()
    visit.page.get_by_text("How filters are written").click()
    visit.see_no_barrier()


def test_an_open_picture_with_answers_has_no_barrier(visit: Visit, sentences: list[str]) -> None:
    visit.open(q=sentences[1])
    visit.see_judged()
    visit.cards.first.click()
    visit.page.get_by_role("button", name="Write a caption").click()
    expect(visit.page.locator("#detail-captions .caption")).to_be_visible()
    visit.page.get_by_role("textbox", name="Ask it").fill("what is there?")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#detail-answers dd")).not_to_have_text("Looking…")
    expect(visit.page.locator("#detail-facts")).to_contain_text("C-200")
    visit.see_no_barrier()


def test_where_nothing_matches_there_is_no_barrier(visit: Visit) -> None:
    visit.open(q=NOT_THERE, match=50)
    expect(visit.page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    visit.see_no_barrier()


def test_errors_have_no_barrier(visit: Visit) -> None:
    visit.expected |= {"422", "ERR_CONNECTION_REFUSED"}
    visit.open(q="a dog", filter="widht>5")
    expect(visit.page.locator("#filter-error")).to_contain_text("width")
    visit.see_no_barrier()
    visit.page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    visit.page.get_by_role("textbox", name="Filter").fill("")
    visit.page.keyboard.press("Enter")
    expect(visit.notice).to_contain_text("does not answer")
    visit.see_no_barrier()


def test_the_dialog_that_adds_pictures_has_no_barrier(visit: Visit) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.page.get_by_role("button", name="Add pictures").click()
    visit.see_no_barrier()
