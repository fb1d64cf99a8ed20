"""Searching on the page by a picture of the visitor's: chosen, dropped or pasted."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LARGE, SCENES
from tests.browser.visits import Visit


@pytest.fixture(scope="module")
def picture(scene_folder: Path) -> Path:
    """A picture file of the collection."""
    return scene_folder / "large" / "scene-02.jpg"


def dropped(visit: Visit, target: str, picture: Path) -> None:
    """Let go of a picture over an element, as a visitor's mouse does."""
    content = base64.b64encode(picture.read_bytes()).decode()
    visit.page.evaluate(
        """([target, content, name]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, { type: 'image/jpeg' }));
            for (const kind of ['dragover', 'drop']) {
                const options = { dataTransfer: data, bubbles: true, cancelable: true };
                document.querySelector(target).dispatchEvent(new DragEvent(kind, options));
            }
        }""",
        [target, content, picture.name],
    )


def test_a_chosen_picture_finds_itself_first_and_its_chip_can_be_removed(
    visit: Visit, picture: Path
) -> None:
    visit.open()
    visit.page.locator("#choose-file").set_input_files(picture)

    expect(visit.page.locator("#chip")).to_contain_text("scene-02.jpg")
    expect(visit.summary).to_contain_text(f"{SCENES} pictures")
    assert visit.names()[0] == "scene-02.jpg"
    width = "(img) => img.decode().then(() => img.naturalWidth)"
    assert visit.page.locator("#chip-picture").evaluate(width) == LARGE

    visit.page.get_by_role("button", name="Search without this picture").click()
    expect(visit.page.locator("#chip")).to_be_hidden()
    expect(visit.page.get_by_role("heading", level=1)).to_be_in_viewport()


def test_a_dropped_picture_is_searched_by_together_with_words(
    visit: Visit, picture: Path, sentences: list[str]
) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    dropped(visit, "main", picture)
    expect(visit.page.locator("#chip")).to_be_visible()
    expect(visit.summary).to_contain_text(f"{SCENES} pictures")

    visit.search(sentences[4])
    expect(visit.page.locator("#chip")).to_be_visible()
    assert visit.names()[0] == "scene-05.jpg"


def test_a_pasted_picture_is_searched_by(visit: Visit, picture: Path) -> None:
    visit.open()
    expect(visit.cards.first).to_be_visible()
    content = base64.b64encode(picture.read_bytes()).decode()
    visit.page.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], 'pasted.jpg', { type: 'image/jpeg' }));
            const options = { clipboardData: data, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new ClipboardEvent('paste', options));
        }""",
        content,
    )

    expect(visit.page.locator("#chip")).to_contain_text("pasted.jpg")
    expect(visit.summary).to_contain_text(f"{SCENES} pictures")
    assert visit.names()[0] == "scene-02.jpg"
