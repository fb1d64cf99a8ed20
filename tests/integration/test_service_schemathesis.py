"""Whatever the OpenAPI document allows, and what it does not: the service answers as it says."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app
from api.openapi import document
from blipsearch.settings import make_settings
from blipsearch.testing import sample_image
from tests.support import HERE

PICTURES = 8
"""That the library begins with; their ids are counted from 1."""
DIM = 16
SUBJECTS = ("text", "query", "image", "image_id", "vector", "terms")
OF_PICTURES = {f"POST /v1/collections/{{name}}/{end}" for end in ("caption", "answer")}
MOST_EDGES = 100
"""Cases at the edges of one operation; a search's body has thousands, of which some will do."""
EXAMPLES = 20

schema = schemathesis.openapi.from_dict(json.loads(document()))
OPERATIONS = {
    found.ok().label: found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)
}

randomly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def app(library: Path, golden: Path, tmp_path: Path) -> FastAPI:
    """The service, ready; schemathesis starts it at its first request and stops it after a test."""
    shutil.copytree(library, tmp_path / "library")
    app = create_app(
        make_settings(
            library=tmp_path / "library",
            device="cpu",
            caption_checkpoint=str(golden / "caption"),
            answer_checkpoint=str(golden / "vqa"),
        )
    )
    deadline = time.monotonic() + 60
    while OPERATIONS["GET /readyz"].Case().call(HERE, app=app).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return app


@pytest.mark.parametrize("label", OPERATIONS)
def test_whatever_is_asked_the_answer_is_one_that_the_document_tells_of(
    label: str, app: FastAPI
) -> None:
    for case in edges(label):
        check(case, app)

    @randomly
    @given(case=OPERATIONS[label].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def allowed(case: Case[Any]) -> None:
        check(sensible(case), app)

    @randomly
    @given(case=OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def wrong(case: Case[Any]) -> None:
        check(case, app)

    allowed()
    if may_be_wrong(label):
        wrong()


def check(case: Case[Any], app: FastAPI) -> None:
    """Send a request about the library's pictures, and compare the answer with the document.

    What the document allows may still be refused: it does not say which words make a filter.
    """
    if case.path.startswith("/v1/collections/{name}/"):
        case.path_parameters["name"] = "default"
    number = case.path_parameters.get("image_id")
    if isinstance(number, int) and 1 <= number < 2**63:
        case.path_parameters["image_id"] = 1 + number % (PICTURES + 1)
    case.call_and_validate(base_url=HERE, app=app, excluded_checks=[positive_data_acceptance])


def edges(label: str) -> list[Case[Any]]:
    """Requests at the edges of what the document allows, and beyond them."""
    cases = schema.iter_coverage_cases(
        OPERATIONS[label],
        generation_modes=list(GenerationMode),
        generation_config=schema.config.generation,
    )
    found = list(cases)
    return found[:: 1 + len(found) // MOST_EDGES]


def may_be_wrong(label: str) -> bool:
    """Whether anything is asked of a request that not every text is."""
    operation = OPERATIONS[label]
    return bool(operation.body or operation.query or "image_id" in label)


def sensible(case: Case[Any]) -> Case[Any]:
    """Give a request what the document cannot ask for: of what is random, nearly all is refused."""
    body: Any = case.body
    if case.operation.label == "GET /v1/collections/{name}/search":
        case.query = one_search({"q": "a dog"} | case.query, ("q",))
    elif case.operation.label == "POST /v1/collections/{name}/search":
        case.body = one_search({"query": "a dog"} | body, SUBJECTS)
        for term in body.get("terms") or ():
            one_of(term, SUBJECTS)
    elif case.operation.label == "POST /v1/collections/{name}/images":
        body["file"] = png(len(body["file"]))
        body["metadata"] = json.dumps({"text": body.get("metadata")})
    elif case.operation.label in OF_PICTURES:
        body.pop("image_url", None)
        case.body = one_of(body | {"image": body.get("image") or "a"}, ("image",))
    return case


def one_search(asked: dict[str, Any], subjects: Sequence[str]) -> dict[str, Any]:
    """A search for one thing, whose parts go together."""
    asked.pop("cursor", None)
    asked.pop("image_url", None)
    if isinstance(asked.get("filter"), str):
        del asked["filter"]
    if asked.get("rerank") in {False, "false"}:
        asked.pop("min_match", None)
        asked.pop("rerank_budget", None)
    if asked.get("include") or asked.get("ask"):
        asked["limit"] = 10
    return one_of(asked, subjects)


def one_of(asked: dict[str, Any], subjects: Sequence[str]) -> dict[str, Any]:
    """The last subject of those given, with a picture that is one, a vector of the right size."""
    for name in [name for name in subjects if asked.get(name) is not None][:-1]:
        del asked[name]
    if asked.get("image") is not None:
        asked["image"] = base64.b64encode(png(len(asked["image"]))).decode("ascii")
    if asked.get("vector") is not None:
        asked["vector"] = [1.0, *asked["vector"], *[0.5] * DIM][:DIM]
    if asked.get("image_id") is not None:
        asked["image_id"] = 1 + asked["image_id"] % PICTURES
    return asked


def png(seed: int) -> bytes:
    written = BytesIO()
    sample_image(seed).save(written, format="PNG")
    return written.getvalue()
