"""The README and the docs as data: blocks by language, commands with what they print, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Step:
    """One command of a console block and what the page says it prints."""

    command: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text and the line it begins in, from 1."""

    language: str
    text: str
    line: int

    @property
    def steps(self) -> list[Step]:
        """The commands of a console block: lines after `$ `, the others being their output.

        A command goes on in lines after `> `.
        """
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(([line.removeprefix("$ ")], []))
            elif line.startswith("> ") and not found[-1][1]:
                found[-1][0].append(line.removeprefix("> "))
            elif line.strip():
                found[-1][1].append(line)
        return [Step("\n".join(command), tuple(shown)) for command, shown in found]


@dataclass(frozen=True)
class Page:
    """One Markdown file of the repository, read as GitHub reads it."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the root of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """Its fenced blocks in order; those that Sphinx alone reads have a language in braces."""
        return [
            Block(token.info.strip(), token.content, (token.map or [0])[0] + 1)
            for token in self._tokens()
            if token.type in {"fence", "code_block"}
        ]

    def section(self, heading: str) -> list[Block]:
        """The blocks under a heading of the second level."""
        before, after = self.text.split(f"\n## {heading}\n", 1)
        first = before.count("\n") + 1
        last = first + after.split("\n## ", 1)[0].count("\n")
        return [block for block in self.blocks if first < block.line <= last + 1]

    @property
    def console(self) -> list[Step]:
        """The commands of all its console blocks."""
        blocks = [block for block in self.blocks if block.language == "console"]
        return [step for block in blocks for step in block.steps]

    @property
    def links(self) -> list[str]:
        """Where its links and images lead to."""
        return [
            str(token.attrs["href" if token.type == "link_open" else "src"])
            for token in self._tokens()
            if token.type in {"link_open", "image"}
        ]

    @property
    def code(self) -> list[str]:
        """What stands between backticks in its text."""
        return [token.content for token in self._tokens() if token.type == "code_inline"]

    @property
    def anchors(self) -> set[str]:
        """What its headings are linked by on GitHub."""
        headings = [
            after.content
            for token, after in pairwise(self._tokens())
            if token.type == "heading_open"
        ]
        return {re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-") for text in headings}

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the table under a heading, without its head, as they are written."""
        section = self.text.split(f" {heading}\n", 1)[1].split("\n## ", 1)[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]

    def _tokens(self) -> Iterator[Token]:
        for token in MARKDOWN.parse(self.text):
            yield token
            yield from token.children or ()


README_PAGE = Page(ROOT / "README.md")
DOCS = [Page(path) for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = [README_PAGE, Page(ROOT / "CONTRIBUTING.md"), *DOCS]

README = README_PAGE.text
CONSOLE = README_PAGE.console


def page(name: str) -> Page:
    """The page of that name in docs/."""
    return Page(ROOT / "docs" / f"{name}.md")


def in_words(text: str) -> list[str]:
    """Return the non-empty lines with every number replaced by one sign."""
    lines = (re.sub(r"-?\d+([.,:]\d+)*%?", "#", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


def is_shown(shown: str, line: str) -> bool:
    """Whether a line is what a page shows, in which `...` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("..."))), line) is not None


def assert_shown(shown: tuple[str, ...], printed: str) -> None:
    """Assert that the shown lines come in this order in what was printed."""
    remaining = iter(in_words(printed))
    for line in in_words("\n".join(shown)):
        if line != "...":
            assert any(is_shown(line, other) for other in remaining), (
                f"{line!r} is not in\n{printed}"
            )
