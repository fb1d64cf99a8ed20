"""Patterns such as `photos/**/*.jpg`, followed one folder at a time."""

from __future__ import annotations

import fnmatch
import re

__all__ = ["States", "TreePattern"]

States = frozenset[int]
"""How many segments of a pattern the folders so far may have used up."""


class TreePattern:
    """A pattern of names between slashes; `**` stands for any folders, none included."""

    def __init__(self, text: str) -> None:
        self._segments = [
            None if segment == "**" else re.compile(fnmatch.translate(segment)).fullmatch
            for segment in text.split("/")
            if segment
        ]
        self.start: States = self._closed({0})

    def step(self, states: States, name: str) -> States:
        """Go into a folder, or to a file; no states where nothing below can match."""
        after = set()
        for state in states:
            if state == len(self._segments):
                continue
            matches = self._segments[state]
            if matches is None:
                after.add(state)
            elif matches(name):
                after.add(state + 1)
        return self._closed(after)

    def takes_folder(self, states: States) -> bool:
        """Say whether a folder, and so all that is in it, matches."""
        return len(self._segments) in states

    def takes_file(self, states: States, name: str) -> bool:
        """Say whether a file in a folder of these states matches."""
        last = len(self._segments) - 1
        matches = self._segments[last]
        return last in states and matches is not None and bool(matches(name))

    def takes_path(self, path: str) -> bool:
        """Say whether a file matches by its whole path, or lies in a folder that does."""
        *folders, name = path.split("/")
        states = self.start
        for folder in folders:
            if self.takes_folder(states):
                return True
            states = self.step(states, folder)
        return self.takes_folder(states) or self.takes_file(states, name)

    def _closed(self, states: set[int]) -> States:
        """Let each `**` stand for no folder, too."""
        reached = set(states)
        for state in sorted(states):
            while state < len(self._segments) and self._segments[state] is None:
                state += 1  # noqa: PLW2901  # it walks over the `**` that follow
                reached.add(state)
        return frozenset(reached)
