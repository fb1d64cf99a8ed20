"""Images behind URLs are fetched in bounds, from the public internet alone, by real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from blipsearch.contents import ContentLimits, Contents, is_there, open_content, stamp_of
from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.places import Place
from tests.unit.indexer.archive_makers import jpeg
from tests.webserver import WebServer


@pytest.fixture
def server() -> Iterator[WebServer]:
    server = WebServer(content=jpeg())
    yield server
    server.stop()


def contents_of(server: WebServer, limits: ContentLimits | None = None) -> Contents:
    """What may fetch from that server, which nothing else may."""
    return Contents(limits, lambda _address, port: port == server.port)


def at(server: WebServer, path: str) -> Place:
    return Place("remote", f"http://127.0.0.1:{server.port}", path)


def test_an_image_is_fetched_byte_for_byte(server: WebServer) -> None:
    contents = contents_of(server)
    for place in (
        at(server, "picture/image/jpeg"),
        at(server, "hops/2"),
        Place("manifest", "/nowhere/list.csv", server.url("untyped")),
    ):
        with contents.open(place) as file:
            assert file.read() == jpeg()
            assert file.seek(2) == 2


def test_nothing_is_fetched_from_this_machine_unless_it_is_allowed(server: WebServer) -> None:
    for place in (at(server, "picture/image/jpeg"), at(server, "hops/2")):
        with pytest.raises(ImageUnreadableError, match="public internet"):
            open_content(place)
    assert not server.asked


def test_a_redirect_to_a_private_address_is_not_followed(server: WebServer) -> None:
    contents = contents_of(server)
    for target in ("http:||10.0.0.1|", "http:||169.254.169.254|meta", "http:||[::1]|"):
        with pytest.raises(ImageUnreadableError, match="public internet"):
            contents.open(at(server, f"to/{target}"))
    with pytest.raises(ImageUnreadableError, match="no URL of http"):
        contents.open(at(server, "to/file:|||etc|passwd"))


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("status/404", FileNotFoundError, "the answer is 404"),
        ("status/410", FileNotFoundError, "the answer is 410"),
        ("status/403", ImageUnreadableError, "the answer is 403"),
        ("status/500", OSError, "the answer is 500"),
        ("status/429", OSError, "the answer is 429"),
        ("picture/text/html", ImageUnreadableError, "no picture by its Content-Type"),
        ("packed", ImageUnreadableError, "it comes packed"),
        ("hops/9", ImageUnreadableError, "redirects more than 3 times"),
        ("endless", ImageTooLargeError, "more than 100,000 bytes"),
    ],
)
def test_what_is_no_image_says_whether_another_time_may_do(
    server: WebServer, path: str, error: type[Exception], said: str
) -> None:
    contents = contents_of(server, ContentLimits(member_bytes=100_000))
    with pytest.raises(error, match=said) as raised:
        contents.open(at(server, path))
    assert isinstance(raised.value, OSError) == issubclass(error, OSError)


def test_what_drips_or_is_not_there_may_come_another_time(server: WebServer) -> None:
    contents = contents_of(server, ContentLimits(fetch_seconds=0.5))
    with pytest.raises(TimeoutError, match=r"within 0\.5 seconds"):
        contents.open(at(server, "slow"))
    place = at(server, "untyped")
    server.stop()
    with pytest.raises(OSError, match="ConnectError"):
        contents_of(server).open(place)


def test_of_one_host_only_some_are_fetched_at_a_time(server: WebServer) -> None:
    contents = contents_of(server, ContentLimits(per_host=2))

    def fetch(number: int) -> bytes:
        with contents.open(at(server, f"pair/{number}")) as file:
            return file.read()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(fetch, range(6))) == [jpeg()] * 6
    assert server.most_under_way == 2


def test_it_can_be_fetched_where_an_event_loop_is_running(server: WebServer) -> None:
    async def in_a_notebook() -> bytes:
        with contents_of(server).open(at(server, "untyped")) as file:
            return file.read()

    assert asyncio.run(in_a_notebook()) == jpeg()


def test_the_web_is_not_asked_whether_something_is_there(server: WebServer) -> None:
    assert is_there(at(server, "untyped"))
    assert stamp_of(at(server, "untyped")) == (0, 0)
    assert not server.asked
