"""The README and the docs as data: their console blocks as commands with what they print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One command of a console block and what the page says it prints."""

    command: str
    shown: tuple[str, ...]


def steps(block: str) -> list[Step]:
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line.strip():
            found[-1][1].append(line)
    return [Step(command, tuple(shown)) for command, shown in found]


def console(text: str) -> list[Step]:
    """The commands of all console blocks of a page."""
    blocks = [block for kind, block in BLOCK.findall(text) if kind == "console"]
    return [step for block in blocks for step in steps(block)]


CONSOLE = console(README)
PYTHON = [block for kind, block in BLOCK.findall(README) if kind == "python"]


def in_words(text: str) -> list[str]:
    """Return the non-empty lines with every number replaced by one sign."""
    lines = (re.sub(r"-?\d+([.,:]\d+)*%?", "#", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


def assert_shown(shown: tuple[str, ...], printed: str) -> None:
    """Assert that the shown lines come in this order in what was printed."""
    remaining = iter(in_words(printed))
    for line in in_words("\n".join(shown)):
        if line != "...":
            assert any(line == other for other in remaining), f"{line!r} is not in\n{printed}"
