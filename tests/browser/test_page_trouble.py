"""What the page says and does when the server is slow, busy, locked, empty or gone."""

from __future__ import annotations

import io
import json

from PIL import Image
from playwright.sync_api import FilePayload, Route, expect

from tests.browser.conftest import NewVisit
from tests.browser.slowline import Line
from tests.browser.visits import Visit, refuse

PATIENCE = 4000
"""Milliseconds after which the page says that it waits."""


def test_a_slow_server_is_waited_for_and_the_page_says_so(line: Line, new_visit: NewVisit) -> None:
    visit = new_visit(line.url)
    visit.page.clock.install(time=0)
    visit.page.clock.pause_at(1)  # or a slow machine would run out of patience
    visit.open(q="a dog that is waited for")

    expect(visit.page.locator(".skeleton").first).to_be_visible()
    expect(visit.notice).to_be_hidden()
    visit.page.clock.fast_forward(PATIENCE)
    expect(visit.notice).to_contain_text("Still working")
    line.open_for_good()
    visit.see_judged()
    expect(visit.notice).to_be_hidden()


def test_a_search_that_takes_too_long_can_be_stopped(line: Line, new_visit: NewVisit) -> None:
    visit = new_visit(line.url)
    visit.page.clock.install()
    visit.open(q="a bird that takes too long")
    line.let_through()
    expect(visit.cards).to_have_count(30)

    visit.page.clock.fast_forward(PATIENCE)
    visit.notice.get_by_role("button", name="Stop").click()
    expect(visit.notice).to_contain_text("stopped")
    expect(visit.cards).to_have_count(30)
    expect(visit.page.locator(".match[data-level=pending]")).to_have_count(0)


def test_a_line_that_breaks_in_the_middle_keeps_what_came_and_offers_another_try(
    line: Line, new_visit: NewVisit
) -> None:
    visit = new_visit(line.url)
    visit.open(q="a boat that is cut off")
    line.let_through()
    expect(visit.cards).to_have_count(30)
    line.cut()

    expect(visit.notice).to_contain_text("does not answer")
    expect(visit.cards).to_have_count(30)


def test_a_server_that_is_gone_is_said_to_be_and_tried_again_on_demand(
    visit: Visit, sentences: list[str]
) -> None:
    visit.open(q=sentences[4])
    visit.see_judged()
    visit.expected.add("ERR_CONNECTION_REFUSED")
    visit.page.route("**/search?*", lambda route: route.abort("connectionrefused"))

    visit.page.get_by_role("searchbox").fill(sentences[9])
    visit.page.keyboard.press("Enter")
    expect(visit.notice).to_contain_text("The server does not answer")
    expect(visit.notice).to_have_attribute("role", "alert")
    assert visit.names()[0] == "scene-05.jpg"

    visit.page.unroute("**/search?*")
    visit.notice.get_by_role("button", name="Try again").click()
    visit.see_judged()
    expect(visit.notice).to_be_hidden()
    assert visit.names()[0] == "scene-10.jpg"


def test_a_page_that_finds_no_server_at_all_can_start_later(visit: Visit) -> None:
    visit.expected.add("ERR_CONNECTION_REFUSED")
    visit.page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    visit.open()
    expect(visit.notice).to_contain_text("does not answer")

    visit.page.unroute("**/v1/**")
    visit.notice.get_by_role("button", name="Try again").click()
    expect(visit.cards.nth(29)).to_be_visible()  # the next page comes by itself here
    expect(visit.notice).to_be_hidden()


def test_a_busy_server_is_asked_again_when_it_says_so(visit: Visit) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.expected.add("503")
    asked: list[str] = []
    is_busy = True

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if is_busy:
            refuse(route, 503, "overloaded", "The service is busy.", Retry_After="2")
        else:
            route.continue_()

    visit.page.route("**/search?*", answer)
    visit.page.get_by_role("searchbox").fill("a dog")
    visit.page.keyboard.press("Enter")

    expect(visit.notice).to_contain_text("The server is busy; it is asked again in 2 s")
    is_busy = False
    visit.see_judged()
    expect(visit.notice).to_be_hidden()
    assert len(asked) >= 2


def test_any_other_error_is_told_in_the_servers_words(visit: Visit) -> None:
    visit.expected.add("404")
    visit.open(in_="nowhere", q="a dog")

    expect(visit.notice).to_contain_text("nowhere")
    expect(visit.page.locator(".skeleton")).to_have_count(0)


def test_an_error_in_the_middle_of_a_stream_is_told(visit: Visit) -> None:
    error = {"error": {"code": "overloaded", "message": "It took too long.", "detail": {}}}
    stream = f": a comment\r\n\r\nevent: error\r\ndata: {json.dumps(error)}\r\n\r\n"
    visit.page.route(
        "**/search?*",
        lambda route: route.fulfill(headers={"Content-Type": "text/event-stream"}, body=stream),
    )
    visit.open(q="a dog")

    expect(visit.notice).to_contain_text("It took too long.")
    expect(visit.notice.get_by_role("button", name="Try again")).to_be_visible()


def test_a_library_without_collections_says_how_to_make_one(visit: Visit) -> None:
    visit.page.route("**/v1/collections", lambda route: route.fulfill(json={"collections": []}))
    visit.open()

    expect(visit.page.locator("#empty")).to_contain_text("There are no collections yet")
    expect(visit.page.locator("#empty")).to_contain_text("blipsearch index")
    expect(visit.page.get_by_role("button", name="Add pictures")).to_be_disabled()


def test_a_picture_that_is_not_kept_over_a_reload_is_said_to_be_gone(visit: Visit) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    dot = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(dot, "PNG")
    file = FilePayload(name="dot.png", mimeType="image/png", buffer=dot.getvalue())
    visit.page.locator("#choose-file").set_input_files([file])
    expect(visit.page.locator("#chip")).to_be_visible()
    expect(visit.summary).to_contain_text("44 pictures")

    visit.page.reload()
    expect(visit.notice).to_contain_text("not kept over a reload")
    expect(visit.page.locator("#chip")).to_be_hidden()

    visit.cards.last.scroll_into_view_if_needed()
    expect(visit.cards).to_have_count(44)
    expect(visit.notice).to_contain_text("not kept over a reload")


def test_something_that_is_no_picture_is_refused_in_the_servers_words(visit: Visit) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.expected.add("422")
    file = FilePayload(name="words.png", mimeType="image/png", buffer=b"only words")
    visit.page.locator("#choose-file").set_input_files([file])

    expect(visit.notice.or_(visit.page.locator("#q-error:not(:empty)"))).to_be_visible()
