"""Conditions on paths and file names, as SQL over paths as they are stored.

`*` and `?` stay within a folder, `**` as a whole step stands for any folders. SQLite's GLOB knows
only a `*` that crosses folders, so a pattern becomes a GLOB that lets too much through, and what is
exact: often the number of slashes, or the name alone, else a regular expression. A `FileName`
writes bytes that are not UTF-8 as escapes; a character of the name is then five of the stored path,
and only the regular expression, which sees the path restored, is exact.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Text, and_, case, false, func, literal, or_, true

from blipsearch.catalog.expressions import file_name, glob_literal, like_glob, matches_expression
from blipsearch.columns import ESCAPE, stored_name
from blipsearch.filters.words import has_wildcard
from blipsearch.tables import ImageRow

__all__ = ["fixed_start", "name_is", "name_matches", "path_is", "path_matches", "starting_with"]

_path: ColumnElement[str] = ImageRow.__table__.c.path
_FOLDERS = "(?:[^/]*/)*"


def path_is(path: str) -> ColumnElement[bool]:
    """A folder and all below it, or a file; the root of the source without any path."""
    path = path.strip("/")
    if not path:
        return true()
    return or_(_path == path, and_(_path >= f"{path}/", _path < f"{path}0"))  # 0 comes after /


def path_matches(pattern: str) -> ColumnElement[bool]:
    """The files whose path matches; a pattern that ends in a slash means all below."""
    if not has_wildcard(pattern):
        return path_is(pattern)
    steps = _steps(pattern)
    if steps[-1] == "**" and not any(map(has_wildcard, steps[:-1])):
        return path_is("/".join(steps[:-1])) & (_path != "/".join(steps[:-1]))
    return _matches(steps)


def name_is(name: str) -> ColumnElement[bool]:
    """The files of that name, in any folder."""
    if "/" in name:
        return false()
    return or_(_path == name, like_glob(_path, _plain(f"*/{_glob(name)}")))


def name_matches(pattern: str) -> ColumnElement[bool]:
    """The files whose name matches, in any folder."""
    if not has_wildcard(pattern):
        return name_is(pattern)
    return false() if "/" in pattern else _matches(["**", re.sub(r"\*+", "*", pattern)])


def starting_with(start: str) -> ColumnElement[bool] | None:
    """The part of an index in which all paths with that start lie; None where it is empty."""
    stored = stored_name(start)
    if not stored:
        return None
    after = ord(stored[-1]) + 1
    if 0xD800 <= after <= 0xDFFF:  # no characters
        after = 0xE000
    lower = _path >= _plain(stored)
    if after > sys.maxunicode:
        return lower
    return and_(lower, _path < _plain(stored[:-1] + chr(after)))


def fixed_start(pattern: str) -> str:
    """What all paths that match a pattern start with."""
    if not has_wildcard(pattern):
        return pattern.strip("/")
    return re.split(r"[*?]", "/".join(_steps(pattern)))[0]


def _steps(pattern: str) -> list[str]:
    steps = [re.sub(r"\*+", "*", step) if step != "**" else step for step in pattern.split("/")]
    if not steps[-1]:
        steps[-1] = "**"
    return [step for step in steps if step]


def _matches(steps: Sequence[str]) -> ColumnElement[bool]:
    exact = matches_expression(_path, _expression(steps))
    rough = like_glob(_path, _plain(_rough(steps)))
    quick = _quick(steps)
    if quick is None:
        return and_(rough, exact)
    return and_(rough, case((func.instr(_path, _plain(ESCAPE)) == 0, quick), else_=exact))


def _quick(steps: Sequence[str]) -> ColumnElement[bool] | None:
    """What is exact beside the rough GLOB for paths without escapes, if SQL can say it."""
    if "**" not in steps:
        # As many slashes as the pattern has: none is left for a star to have crossed.
        slashes = func.length(_path) - func.length(func.replace(_path, "/", "", type_=Text()))
        one = _plain(_glob("/".join(steps)).replace("?", "[^/]"))
        return and_(like_glob(_path, one), slashes == len(steps) - 1)
    if len(steps) == 2 and steps[0] == "**":
        return _quick_name(steps[1])
    return None


def _quick_name(pattern: str) -> ColumnElement[bool]:
    if re.fullmatch(r"\*[^*?]*", pattern):
        return true()  # the end of a name is the end of its path
    named = like_glob(file_name(_path), _plain(_glob(pattern)))
    start = _glob(re.split(r"[*?]", pattern)[0])
    if not start:
        return named
    # Where no folder starts as the name must, what matches is the name: SQL alone can tell.
    folders = (like_glob(_path, _plain(f"{before}{start}*/*")) for before in ("", "*/"))
    one = _glob(pattern).replace("?", "[^/]")
    names = (like_glob(_path, _plain(f"{before}{one}")) for before in ("", "*/"))
    return case((or_(*folders), named), else_=or_(*names))


def _rough(steps: Sequence[str]) -> str:
    """A GLOB that holds for all that the pattern does, and more."""
    *folders, last = ("*" if step == "**" else _glob(step.replace("?", "*")) for step in steps)
    joined = "".join(step if step == "*" else f"{step}/" for step in folders) + last
    return re.sub(r"\*+", "*", joined)


def _expression(steps: Sequence[str]) -> str:
    """A regular expression for a whole path.

    What follows a star is taken where it first occurs and never given back: a longer way to it
    would leave less for the rest. So no path and no pattern takes long.
    """
    runs: list[list[str]] = [[]]
    for step in steps:
        if step == "**":
            runs.append([])
        else:
            runs[-1].append(_step(step))
    first, *others = ("/".join(run) for run in runs)
    if not others:
        return first
    *middle, last = others
    start = f"{first}/" if first else ""
    between = "".join(f"(?>{_FOLDERS}?{run}/)" for run in middle if run)
    end = f"{_FOLDERS}{last}" if last else "(?s:.+)"
    return start + between + end


def _step(step: str) -> str:
    first, *rest = ("".join(map(_character, part)) for part in step.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{part})" for part in middle) + f"[^/]*{last}"


def _character(character: str) -> str:
    return "[^/]" if character == "?" else re.escape(character)


def _glob(text: str) -> str:
    return glob_literal(stored_name(text))


def _plain(text: str) -> ColumnElement[str]:
    """A text for the database as it is: already written as FileName writes it."""
    return literal(text, Text())
