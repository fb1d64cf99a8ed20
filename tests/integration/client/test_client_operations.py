"""Every operation that the service describes is a method of both clients."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from blipsearch import AsyncClient, Client
from blipsearch.errors import ServiceError
from blipsearch.image_search import ImageSearch
from tests.troubleserver import TroubleServer, refused

DESCRIBED = json.loads((Path(__file__).parents[3] / "openapi.json").read_text())["paths"]
OPERATIONS: dict[str, tuple[str, str]] = {
    operation["operationId"]: (method.upper(), path)
    for path, operations in DESCRIBED.items()
    for method, operation in operations.items()
}

METHODS: dict[str, Callable[[Client], object]] = {
    "healthz": lambda client: client.alive(),
    "readyz": lambda client: client.ready(),
    "get_metrics": lambda client: client.metrics(),
    "sign_in": lambda client: client.sign_in("a key"),
    "sign_out": lambda client: client.sign_out(),
    "list_collections": lambda client: client.collections(),
    "get_collection": lambda client: client.collection(),
    "search": lambda client: client.search("a boat"),
    "search_by_url": lambda client: client.search_text("a boat", limit=3, rerank=False),
    "add_image": lambda client: client.add_image(b"picture"),
    "get_image": lambda client: client.image(7),
    "change_image": lambda client: client.change_image(7, tags=["a"]),
    "delete_image": lambda client: client.remove_image(7),
    "get_file": lambda client: client.file(7),
    "get_thumbnail": lambda client: client.thumbnail(7),
    "get_heat_map": lambda client: client.heat_map(7, "a boat"),
    "caption": lambda client: client.caption(7),
    "answer": lambda client: client.ask(7, "what is it?"),
    "caption_picture": lambda client: client.caption(b"picture"),
    "answer_about_picture": lambda client: client.ask(b"picture", "what is it?"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_asked_for_by_a_method(
    client: Client, server: TroubleServer, operation: str
) -> None:
    server.will(refused(418, "teapot"))
    with pytest.raises(ServiceError):
        METHODS[operation](client)

    method, path = OPERATIONS[operation]
    (asked,) = server.asked
    expected = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
    assert asked.method == method
    assert re.fullmatch(expected, asked.path.partition("?")[0])


def test_the_progressive_form_of_a_search_is_a_method_too(
    client: Client, server: TroubleServer
) -> None:
    server.will(refused(418, "teapot"))
    with pytest.raises(ServiceError):
        list(client.search_stream("a boat"))

    assert server.asked[0].headers["Accept"] == "text/event-stream"


def test_both_clients_have_the_same_methods() -> None:
    names = {name for name in dir(Client) if not name.startswith("_")}
    asynchronous = {name for name in dir(AsyncClient) if not name.startswith("_")}
    shared = {name for name in dir(ImageSearch) if not name.startswith("_")}

    assert shared <= names
    # What is for files on this machine, and a step between that is not needed there.
    assert names - asynchronous == {"bytes_at_hand", "path_of", "respond_to_text"}
    assert asynchronous <= names
