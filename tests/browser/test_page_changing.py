"""What changes the library, who may use it, and whether there is a server at all."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from blipsearch.library import Library
from blipsearch.picturebook import full_caption, gallery, render
from tests.browser.conftest import SCENES, NewVisit
from tests.serving import Serving


def test_added_pictures_are_found_and_removed_ones_keep_their_place(
    own_server: Serving, new_visit: NewVisit, tmp_path: Path
) -> None:
    *_, scene = gallery(SCENES + 1, 7)
    picture, broken = tmp_path / "new scene.png", tmp_path / "broken.png"
    render(scene, 256).save(picture)
    broken.write_bytes(picture.read_bytes()[:500])
    visit = new_visit(own_server.url)
    visit.expected.add("422")
    visit.open()
    expect(visit.cards.first).to_be_visible()
    visit.page.get_by_role("button", name="Add pictures").click()
    visit.dialog.get_by_label("Tags, parted by commas").fill("new, from the page")
    visit.page.locator("#adding-files").set_input_files([picture, broken, picture])

    added, refused, known = (visit.page.locator("#adding-list li").nth(n) for n in range(3))
    expect(added).to_contain_text("Added")
    expect(refused).to_have_attribute("data-state", "failed")
    expect(refused).to_contain_text("broken.png")
    expect(known).to_contain_text("Was here already")

    added.get_by_role("button", name="Show").click()
    expect(visit.page.locator("#detail-tags")).to_contain_text("from the page")
    visit.page.keyboard.press("Escape")
    expect(visit.page).not_to_have_url(re.compile("hit="))
    expect(visit.page.get_by_role("combobox", name="Collection")).to_contain_text(
        f"scenes · {SCENES + 1}"
    )
    visit.search(full_caption(scene))
    expect(visit.matches.first).to_contain_text("9")
    assert "new-scene" in visit.names()[0]

    visit.page.set_viewport_size({"width": 360, "height": 500})
    visit.search("a dog by the sea")
    shown = [int(card.get_attribute("data-id") or 0) for card in visit.cards.all()]
    hidden = next(number for number in range(1, SCENES + 2) if number not in shown)
    address = f"{own_server.url}/v1/collections/scenes/images/{hidden}"
    assert visit.page.request.delete(address).status == 204
    visit.page.locator("#more").scroll_into_view_if_needed()
    expect(visit.page.locator(".removed")).to_have_text("Removed")
    expect(visit.cards).to_have_count(SCENES)


def test_a_library_with_keys_asks_for_one_and_lets_its_owner_out_again(
    own_server: Serving, own_library: Path, new_visit: NewVisit, tmp_path: Path
) -> None:
    visit = new_visit(own_server.url)
    visit.expected |= {"401", "403"}
    with Library.open(own_library) as library:
        _, key = library.keys.make("reader", "read")
        try:
            visit.open(q="a dog")
            dialog = visit.page.get_by_role("dialog", name="Sign in")
            expect(dialog.get_by_label("Key")).to_be_focused()
            visit.page.keyboard.type("no key at all")
            visit.page.keyboard.press("Enter")
            expect(dialog.get_by_role("alert")).to_contain_text("not known")
            visit.page.keyboard.type(key)
            visit.page.keyboard.press("Enter")
            expect(dialog).to_be_hidden()
            visit.see_judged()
            expect(visit.page.locator(".card-picture.loaded").first).to_be_visible()
            assert key not in str(visit.page.evaluate("document.cookie"))

            visit.page.get_by_role("button", name="Add pictures").click()
            picture = tmp_path / "red.png"
            Image.new("RGB", (64, 64), "red").save(picture)
            visit.page.locator("#adding-files").set_input_files(picture)
            expect(visit.page.locator("#adding-list li")).to_contain_text("may only read")
            visit.page.keyboard.press("Escape")

            visit.page.get_by_role("button", name="Sign out").click()
            expect(dialog).to_be_visible()
            visit.page.keyboard.press("Escape")
            expect(visit.notice).to_contain_text("wants an API key")
        finally:
            library.keys.remove("reader")


def test_a_server_that_died_is_noticed_and_the_page_stays(
    own_server: Serving, new_visit: NewVisit, sentences: list[str]
) -> None:
    visit = new_visit(own_server.url)
    visit.open(q=sentences[4])
    visit.see_judged()
    own_server.kill()
    visit.expected.add("net::ERR_")

    visit.page.get_by_role("searchbox").fill("a cat")
    visit.page.keyboard.press("Enter")
    expect(visit.notice).to_contain_text("The server does not answer")
    expect(visit.cards).to_have_count(30)
