"""The page's state in its address, its keys, its themes and its widths."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import NewVisit
from tests.browser.visits import Visit


def test_a_reload_and_a_shared_address_show_the_same(
    new_visit: NewVisit, visit: Visit, sentences: list[str]
) -> None:
    visit.open()
    visit.search(sentences[4])
    visit.page.get_by_role("slider", name="Only real matches").fill("30")
    expect(visit.summary).to_contain_text("30 % or more")
    visit.page.get_by_role("button", name="Filters").click()
    visit.page.get_by_role("textbox", name="Filter").fill("height>=100")
    visit.page.keyboard.press("Enter")
    visit.see_judged()
    visit.cards.first.click()
    expect(visit.page.locator("#detail-facts")).to_contain_text("scene-05.jpg")
    names = visit.names()

    visit.page.reload()
    other = new_visit()
    other.page.goto(visit.page.url)
    for one in (visit, other):
        one.see_judged()
        expect(one.page.locator("#detail-name")).to_have_text("scene-05.jpg")
        expect(one.page.locator("#detail-match")).to_contain_text("% match")
        one.page.keyboard.press("Escape")
        expect(one.dialog).to_be_hidden()
        assert one.names() == names
        expect(one.page.get_by_role("searchbox")).to_have_value(sentences[4])
        expect(one.page.get_by_role("slider", name="Only real matches")).to_have_value("30")
        expect(one.page.get_by_role("button", name="Remove the filter")).to_be_visible()


def test_back_and_forward_go_through_searches_and_open_pictures(
    visit: Visit, sentences: list[str]
) -> None:
    visit.open()
    visit.search(sentences[4])
    visit.search(sentences[9])
    visit.cards.first.click()
    expect(visit.dialog).to_be_visible()

    visit.page.go_back()
    expect(visit.dialog).to_be_hidden()
    assert visit.names()[0] == "scene-10.jpg"
    visit.page.go_back()
    expect(visit.page.locator(".card img").first).to_have_attribute("alt", "scene-05.jpg")
    expect(visit.page.get_by_role("searchbox")).to_have_value(sentences[4])
    visit.page.go_back()
    expect(visit.page.locator("#lead")).to_be_visible()
    visit.page.go_forward()
    visit.page.go_forward()
    expect(visit.page.locator(".card img").first).to_have_attribute("alt", "scene-10.jpg")
    visit.page.go_forward()
    expect(visit.dialog).to_be_visible()
    expect(visit.page).to_have_title(f"{sentences[9]} · blipsearch")


def test_everything_can_be_done_from_the_keyboard(visit: Visit, sentences: list[str]) -> None:
    keys = visit.page.keyboard
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.page.get_by_role("button", name="Dark theme").focus()
    keys.press("/")
    expect(visit.page.get_by_role("searchbox")).to_be_focused()
    keys.type(sentences[4])
    keys.press("Enter")
    visit.see_judged()

    keys.press("ArrowDown")
    expect(visit.cards.nth(0)).to_be_focused()
    keys.press("ArrowRight")
    expect(visit.cards.nth(1)).to_be_focused()
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    expect(visit.cards.nth(1)).to_be_focused()
    keys.press("End")
    expect(visit.cards.nth(29)).to_be_focused()
    keys.press("Home")
    expect(visit.cards.nth(0)).to_be_focused()
    outline = visit.cards.nth(0).evaluate("(link) => getComputedStyle(link).outlineStyle")
    assert outline == "solid"

    keys.press("Enter")
    expect(visit.dialog).to_be_visible()
    expect(visit.page.get_by_role("button", name="Close")).to_be_focused()
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Tab")
    expect(visit.page.get_by_role("button", name="Heat map")).to_be_focused()
    keys.press("Escape")
    expect(visit.cards.nth(0)).to_be_focused()
    keys.press("Shift+Tab")
    expect(visit.page.get_by_label("Order")).to_be_focused()
    keys.press("Shift+Tab")
    keys.press("ArrowRight")
    expect(visit.summary).to_contain_text("1 % or more")


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_kept(new_visit: NewVisit) -> None:
    visit = new_visit(color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    visit.open()
    toggle = visit.page.get_by_role("button", name="Dark theme")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    dark = visit.page.evaluate(paper)

    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    light = visit.page.evaluate(paper)
    assert dark != light
    visit.page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    assert visit.page.evaluate(paper) == light


def test_a_narrow_screen_shows_everything_without_scrolling_sideways(
    new_visit: NewVisit, sentences: list[str]
) -> None:
    visit = new_visit(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    overflow = "document.documentElement.scrollWidth - innerWidth"
    visit.open()
    expect(visit.cards.first).to_be_visible()
    assert visit.page.evaluate(overflow) <= 0

    visit.page.get_by_role("searchbox").tap()
    visit.search(sentences[4])
    visit.page.get_by_role("button", name="Filters").tap()
    expect(visit.page.locator("#filters")).to_be_visible()
    assert visit.page.evaluate(overflow) <= 0
    first, second = visit.cards.evaluate_all(
        "(all) => all.slice(0, 2).map((one) => one.getBoundingClientRect().top)"
    )
    assert first == second

    visit.cards.first.tap()
    expect(visit.page.locator("#detail-facts")).to_contain_text("scene-05.jpg")
    assert visit.page.locator("#detail").evaluate("(one) => one.scrollWidth - innerWidth") <= 0
    visit.page.get_by_role("button", name="Next picture").tap()
    expect(visit.page.locator("#detail-name")).not_to_have_text("scene-05.jpg")
    visit.page.get_by_role("button", name="Close").tap()
    expect(visit.dialog).to_be_hidden()


def test_an_order_by_a_field_sorts_what_matches(visit: Visit) -> None:
    visit.open(q="a dog")
    visit.see_judged()
    visit.page.get_by_label("Order").select_option("By path")

    expect(visit.page).to_have_url(re.compile(r"sort=path"))
    expect(visit.page.locator("#grid")).to_have_attribute("aria-busy", "false")
    visit.see_judged()
    folders_and_names = [
        (card.get_attribute("title") or "").splitlines()[0] for card in visit.cards.all()
    ]
    assert folders_and_names == sorted(folders_and_names)
