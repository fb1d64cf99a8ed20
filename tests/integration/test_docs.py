"""The docs hold together: blocks of known kinds, links that lead somewhere, whole references."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from api.errors import CODES, STATUSES
from blipsearch import schemas
from blipsearch.cli import app
from blipsearch.errors import BlipSearchError
from blipsearch.filters import parse_json_filter
from blipsearch.filters.text import parse_filter
from docs import reference
from tests.reader import FOLLOWED
from tests.readme import DOCS, PAGES, ROOT, Block, Page, page

CONTRIBUTING = Page(ROOT / "CONTRIBUTING.md")
MOST_LINES = 300
"""Of a page that a person wrote."""

NOT_RUN = {
    "sh": "installs, downloads or builds images; its commands are checked below",
    "text": "formulas, logs and messages: nothing that could be run",
    "nginx": "nginx is not among what the tests need; the settings it names are checked elsewhere",
    "{toctree}": "tells Sphinx the order of pages; checked below",
    "{eval-rst}": "tells Sphinx what to take from docstrings; the build of the site checks it",
}
"""Why blocks of a language do not run; others than these, json and what a reader follows fail."""

INSTALLERS = {"pip", "hf", "docker", "echo"}
"""What a block in `sh` may begin its lines with."""

BODIES: list[Callable[[Any], object]] = [
    parse_json_filter,
    *(
        TypeAdapter(getattr(schemas, name)).validate_python
        for name in ("Term", *(one for one in schemas.__all__ if one.endswith("Request")))
    ),
    *(
        TypeAdapter(getattr(schemas, name)).validate_python
        for name in ("ImageChange", "ErrorResponse", "SearchResponse", "ImageDetail")
    ),
]
"""What JSON in the docs may be: one of these has to take it."""


def every_block(*languages: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{one.name}:{block.line}")
        for one in PAGES
        for block in one.blocks
        if block.language in languages
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_language_that_is_run_checked_or_has_a_reason(page: Page) -> None:
    known = {*FOLLOWED, *NOT_RUN, "json"}

    unknown = [f"line {one.line}: {one.language!r}" for one in page.blocks]
    unknown = [
        text for text, one in zip(unknown, page.blocks, strict=True) if one.language not in known
    ]

    assert not unknown


@pytest.mark.parametrize("block", every_block("json"))
def test_json_is_what_a_schema_takes_or_a_record_of_the_log(block: Block) -> None:
    value = json.loads(block.text)

    assert value.get("event") == "request" or is_taken(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_json_in_a_sentence_or_a_table_is_what_a_schema_takes(page: Page) -> None:
    shown = [code for code in page.code if code.startswith('{"') and "..." not in code]

    assert [code for code in shown if not is_taken(json.loads(code))] == [
        code for code in shown if is_example_line(code)
    ]


def test_json_with_a_slip_in_it_is_taken_by_no_schema() -> None:
    assert is_taken({"query": "a dog", "filter": {"field": "width", "op": ">", "value": 5}})
    assert not is_taken({"qery": "a dog"})
    assert not is_taken({"query": "a dog", "filter": {"field": "widht", "op": ">", "value": 5}})


def is_taken(value: object) -> bool:
    return any(takes(body, value) for body in BODIES)


def takes(body: Callable[[Any], object], value: object) -> bool:
    try:
        body(value)
    except (ValidationError, BlipSearchError):
        return False
    return True


def is_example_line(code: str) -> bool:
    """Whether it is a line of training examples, which no schema describes."""
    return set(json.loads(code)) == {"image", "caption"}


def test_both_forms_of_a_filter_mean_the_same() -> None:
    rows = page("filters").rows("The two forms")
    pairs = [
        (text, found)
        for short, form, *_ in rows
        for text in re.findall(r"`([^`]+)`", short)
        for found in re.findall(r"`(\{[^`]+\})`", form)
        if "..." not in form
    ]

    assert len(pairs) >= 12
    for text, form in pairs:
        assert parse_filter(text) == parse_json_filter(json.loads(form)), text


@pytest.mark.parametrize("block", every_block("sh", "text"))
def test_what_is_installed_exists(block: Block) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    lines = [line for line in block.text.splitlines() if line.strip()]
    commands = [shlex.split(line, comments=True) for line in lines if line[0] in "pdhe"]
    if block.language == "sh":
        assert {command[0] for command in commands} <= INSTALLERS
        assert len(commands) == len(lines)
    for command in commands:
        if command[:2] == ["pip", "install"]:
            wanted = re.findall(r"^(blipsearch|\.)(?:\[(.*)\])?$", command[-1])
            assert wanted, command
            assert all(extra in {"", *project["optional-dependencies"]} for _, extra in wanted)
        if command[:2] == ["docker", "compose"]:
            assert {word for word in command if word.startswith("blipsearch")} & services.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_and_image_leads_to_something(page: Page) -> None:
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        if parts.fragment and path.suffix == ".md":
            assert parts.fragment in Page(path).anchors, link


def test_every_page_is_reachable_from_the_index() -> None:
    listed = {
        line
        for block in page("index").blocks
        if block.language == "{toctree}"
        for line in block.text.splitlines()
        if line and not line.startswith(":")
    }

    assert listed == {one.path.stem for one in DOCS} - {"index"}


def test_a_page_that_a_person_wrote_is_not_too_long() -> None:
    written = [one for one in DOCS if one.path.name not in reference.pages()]

    assert not [one.name for one in written if len(one.text.splitlines()) > MOST_LINES]


@pytest.mark.parametrize("name", reference.pages())
def test_reference_pages_are_what_the_program_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == reference.pages()[name], (
        "write them anew with `python -m docs.reference`"
    )


def test_every_command_and_every_flag_is_on_the_page_of_the_command_line() -> None:
    sections = re.split(r"^## ", page("cli").text, flags=re.MULTILINE)
    commands = list(reference.commands())

    assert {one.name.split()[1] for one in commands} >= {"index", "search", "serve", "keys"}
    for command in commands:
        (section,) = [text for text in sections if text.startswith(f"{command.name}\n")]
        finished = help_of(command.name)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", finished):
            assert f"`{flag}" in section or flag == "--help", (command.name, flag)


def help_of(name: str) -> str:
    """What `--help` of a command prints."""
    words = [word for word in name.split()[1:] if word.islower()]
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    # Only what stands in the first column: help texts name flags of others.
    rows = re.findall(r"^│[ *]*((?:-\w +)?--?.*?)(?:  |<)", result.output, re.MULTILINE)
    return " ".join(rows)


def test_every_code_of_an_error_is_on_the_page_of_http() -> None:
    named = {code for row in page("http").rows("Errors") for code in re.findall(r"`(\w+)`", row[1])}
    codes = {
        each.code
        for kind, status in STATUSES
        if status != 503  # of which checkpoints have some
        for each in (kind, *kind.__subclasses__())
    }

    others = {"internal_error", "overloaded", "library_busy", "collection_checkpoint"}
    assert codes | set(CODES.values()) | others == named


def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"),
            *("--doctree-dir", tmp_path / "doctrees", ROOT / "docs", tmp_path / "site"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_files_that_contributing_names_exist() -> None:
    paths = {code for code in CONTRIBUTING.code if re.fullmatch(r"[\w./-]+/[\w./-]*", code)}

    assert len(paths) > 20
    assert {path for path in paths if not (ROOT / path).exists()} <= {"build/docs"}


def test_identifiers_that_contributing_names_are_defined_in_a_file_that_it_names() -> None:
    files = [ROOT / code for code in CONTRIBUTING.code if code.endswith(".py")]
    text = "\n".join(file.read_text() for file in files)
    named = {
        code.split(".")[-1]
        for code in CONTRIBUTING.code
        if re.fullmatch(r"_?[a-z]+(_[a-z]+)+|_?[A-Z]\w+|_[a-z]+|[A-Z][a-z]\w+\.\w+", code)
    }

    undefined = [
        name
        for name in sorted(named)
        if not re.search(rf"^\s*(?:(?:async )?def |class )?{name}\b\s*[(:=]", text, re.MULTILINE)
    ]
    assert len(named) > 15
    assert not undefined


def test_modules_that_pages_run_exist() -> None:
    for one in PAGES:
        for code in one.code:
            if code.startswith("python -m ") and not code.startswith("python -m benchmarks"):
                assert importlib.util.find_spec(code.split()[2]), code
