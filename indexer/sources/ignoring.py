"""Ignore files: `.blipsearchignore`, in the syntax and with the meaning of `.gitignore`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexPattern
from pathspec.patterns.gitignore import GitIgnorePatternError

__all__ = ["IGNORE_FILE", "Ignores", "read_ignores"]

IGNORE_FILE = ".blipsearchignore"
MOST_BYTES = 1 << 20

_PARENT = "ps_d"
"""The group of pathspec's expressions that matches the slash behind a folder."""


@dataclass(frozen=True, slots=True)
class _Rule:
    ignores: bool
    expression: re.Pattern[str]
    only_folders: bool = False

    def is_about(self, path: str, *, is_folder: bool) -> bool:
        """Whether it names this very file or folder, and not merely one above."""
        if self.only_folders and not is_folder:
            return False
        match = self.expression.search(path)
        if match is not None and match.groupdict().get(_PARENT) is None:
            return True
        if not is_folder:
            return False
        path += "/"
        return any(
            found.end(_PARENT) == len(path)
            for found in self.expression.finditer(path)
            if found.groupdict().get(_PARENT)
        )


@dataclass(frozen=True, slots=True)
class Ignores:
    """The ignore files that count in a folder: its own and those above, the deepest first.

    `folder` is where the rules' paths begin, with a slash at its end; empty where there is none.
    """

    folder: str = ""
    rules: tuple[_Rule, ...] = ()
    above: Ignores | None = None

    def leave_out(self, path: str, *, is_folder: bool) -> bool:
        """Say whether a file or folder is ignored, given that no folder above it is.

        As in git the deepest file that says anything decides, and in it the last line.
        """
        files: Ignores | None = self
        while files is not None:
            below = path[len(files.folder) :]
            for rule in files.rules:
                if rule.is_about(below, is_folder=is_folder):
                    return rule.ignores
            files = files.above
        return False

    def __bool__(self) -> bool:
        return bool(self.rules) or bool(self.above)


def read_ignores(folder: str, above: Ignores) -> Ignores:
    """Add a folder's ignore file to those above it. Raises OSError where it cannot be read."""
    with open(f"{folder.rstrip('/')}/{IGNORE_FILE}", "rb") as file:  # noqa: PTH123  # a plain str
        text = file.read(MOST_BYTES).decode("utf-8-sig", "surrogateescape")
    rules = [rule for line in text.split("\n") for rule in _rules(line.removesuffix("\r"))]
    return Ignores(f"{folder.rstrip('/')}/", tuple(reversed(rules)), above)


def _rules(line: str) -> list[_Rule]:
    # To git `a/**/` is all folders below `a`, but to pathspec `a` itself.
    only_folders = line.rstrip(" ").endswith("/**/")
    if only_folders:
        line = line.rstrip(" ").removesuffix("/")
    try:
        patterns = GitIgnoreSpec.from_lines([line]).patterns
    except (GitIgnorePatternError, re.error):
        return []  # git lets such a line match nothing
    return [
        _Rule(pattern.include, pattern.regex, only_folders)
        for pattern in patterns
        if isinstance(pattern, RegexPattern)
        if pattern.include is not None and pattern.regex is not None
    ]
