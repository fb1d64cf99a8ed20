"""The OpenAPI document: checked in, readable, and true about errors and examples."""

from __future__ import annotations

import json
import re
import runpy
import sys
from typing import Any

import pytest
from pydantic import BaseModel

from api.app import create_app
from api.openapi import document
from api.routes.session import SignIn
from blipsearch import schemas
from blipsearch.settings import Settings
from tests.readme import ROOT

COMMAND = "python -m api.openapi > openapi.json"
DOCUMENT: dict[str, Any] = json.loads(document())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
REFERENCE = "#/components/schemas/"
ERROR = {"$ref": f"{REFERENCE}ErrorResponse"}


def bodies() -> set[str]:
    """The types of all that is sent and answered as JSON."""
    contents = [operation.get("requestBody", {}) for operation in OPERATIONS.values()]
    for operation in OPERATIONS.values():
        contents.extend(operation["responses"].values())
    found = (one.get("content", {}).get("application/json") for one in contents)
    return {one["schema"]["$ref"].removeprefix(REFERENCE) for one in found if one is not None}


def type_of(name: str) -> type[BaseModel]:
    found: type[BaseModel] = SignIn if name == "SignIn" else getattr(schemas, name)
    return found


def test_the_checked_in_document_is_what_the_service_says() -> None:
    kept = (ROOT / "openapi.json").read_text(encoding="utf-8")

    assert kept == document(), f"the HTTP interface changed; if it should: {COMMAND}"


def test_the_command_that_refreshes_it_prints_it_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = COMMAND.split()[2]
    monkeypatch.delitem(sys.modules, module)

    runpy.run_module(module, run_name="__main__")

    assert capsys.readouterr() == (document(), "")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_summary_a_tag_that_is_explained_and_a_readable_name(
    operation: str,
) -> None:
    described = OPERATIONS[operation]

    assert described["summary"]
    assert described["description"]
    assert set(described["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", described["operationId"])


def test_no_two_operations_have_one_name() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_is_declared_in_the_one_form(operation: str) -> None:
    answers = OPERATIONS[operation]["responses"]
    failed = {status: answers[status] for status in answers if status >= "400"}

    if operation == "GET /readyz":  # says what is in the way, whether it is ready or not
        assert failed.keys() == {"503"}
        return
    for answer in failed.values():
        assert answer["content"]["application/json"]["schema"] == ERROR
        assert answer["description"]
    if operation.split()[1].startswith("/v1/collections"):
        assert {"401", "403", "429", "503"} <= failed.keys()
    if "{name}" in operation:
        assert {"404", "422"} <= failed.keys()


@pytest.mark.parametrize("name", sorted(bodies()))
def test_every_body_has_an_example_that_is_one(name: str) -> None:
    (example,) = SCHEMAS[name]["examples"]

    read = type_of(name).model_validate_json(json.dumps(example))
    written = json.loads(read.model_dump_json(by_alias=True, exclude_unset=True))
    assert written == example


def test_an_application_says_the_same_each_time_it_is_asked() -> None:
    app = create_app(Settings())

    assert app.openapi() == app.openapi() == DOCUMENT
