"""One visit to the page, and what must hold for any: no errors, no word to another server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode, urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Route, expect

THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SETTLED = "Promise.allSettled(document.getAnimations().map((one) => one.finished)).then(() => 0)"
PERCENT = re.compile(r"\d %")


@dataclass
class Visit:
    """A page in a browser of its own, with what a visitor does there.

    `expected` are parts of messages that the browser's console may show, and has to.
    """

    page: Page
    url: str
    expected: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_request)

    @property
    def cards(self) -> Locator:
        return self.page.locator(".card-link")

    @property
    def matches(self) -> Locator:
        return self.page.locator(".match-text")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notice")

    @property
    def summary(self) -> Locator:
        return self.page.locator("#summary")

    def open(self, **state: object) -> None:
        """Load the page, in a state that an address may name (`in_` is the collection)."""
        named = {name.rstrip("_"): value for name, value in state.items()}
        self.page.goto(f"{self.url}/{'?' + urlencode(named) if named else ''}")

    def search(self, sentence: str) -> None:
        """Type a sentence, press Enter and see it judged."""
        self.page.get_by_role("searchbox").fill(sentence)
        self.page.keyboard.press("Enter")
        self.see_judged()

    def see_judged(self) -> None:
        expect(self.summary).to_contain_text("judged")
        expect(self.matches.first).to_contain_text(PERCENT)

    def names(self) -> list[str]:
        """The files' names of the pictures that are shown, in order."""
        shown = self.page.locator(".card img")
        return list(shown.evaluate_all("(all) => all.map((one) => one.alt)"))

    def see_no_barrier(self) -> None:
        """Fail on what axe finds in the light or the dark theme, with its words for it."""
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)
            self.page.evaluate(SETTLED)  # or axe measures colours on their way
            found = Axe().run(self.page)
            told = [
                f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']]}"
                for one in found.response["violations"]
            ]
            assert told == [], theme

    def check(self) -> None:
        """Fail on errors that were not expected, and on requests that left for elsewhere."""
        complaints = "\n".join(self.complaints)
        for part in self.expected:
            assert part in complaints, f"the console does not say {part!r}, but: {complaints}"
        others = [one for one in self.complaints if not any(part in one for part in self.expected)]
        assert not others, others
        here = urlsplit(self.url).netloc
        assert self.requests
        assert {urlsplit(request).netloc for request in self.requests} == {here}

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in {"blob", "data"}:
            self.requests.append(request.url)


def refuse(route: Route, status: int, code: str, message: str, **headers: str) -> None:
    """Answer in the service's form of errors."""
    body = {"error": {"code": code, "message": message, "detail": {}}}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    route.fulfill(
        status=status, headers={"Content-Type": "application/json"} | told, body=json.dumps(body)
    )
