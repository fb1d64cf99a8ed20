"""Pictures by URL are fetched from where they may be, and no further, by real servers."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from api.security.fetch import ImageFetcher
from blipsearch.errors import (
    BlipSearchError,
    ForbiddenError,
    OverloadedError,
    QueryError,
    RequestTooLargeError,
)
from blipsearch.fetching.addresses import Address
from tests.webserver import PICTURE, WebServer

PUBLIC = ip_address("93.184.215.14")
HERE = ip_address("127.0.0.1")


@pytest.fixture
def server() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.stop()


def _fetch(server: WebServer, url: str, **options: Any) -> bytes:
    """Fetch where this one server is allowed, and nothing else of this machine."""

    def allowed(address: Address, port: int) -> bool:
        return address == HERE and port == server.port

    fetcher = ImageFetcher(**{"max_bytes": 10_000, "allowed": allowed, **options})
    return asyncio.run(fetcher.fetch([url]))[url]


@pytest.mark.parametrize(
    "path", ["picture/image/png", "picture/image/jpeg;q=1", "picture/application/octet-stream"]
)
def test_a_picture_is_fetched_byte_for_byte(server: WebServer, path: str) -> None:
    assert _fetch(server, server.url(path)) == PICTURE
    assert _fetch(server, server.url("untyped")) == PICTURE


def test_several_are_fetched_in_turn_and_each_once(server: WebServer) -> None:
    urls = [server.url("picture/image/png"), server.url("untyped"), server.url("picture/image/png")]
    fetcher = ImageFetcher(max_bytes=10_000, allowed=lambda *_: True)
    assert asyncio.run(fetcher.fetch(urls)) == dict.fromkeys(urls, PICTURE)
    assert [path for path, _ in server.asked] == ["/picture/image/png", "/untyped"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://10.0.0.1/",
        "http://192.168.0.1/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/latest/meta-data/",
        "http://93.184.215.14:22/",
        "http://93.184.215.14:6379/",
        "http://93.184.215.14:0/",
        "http://no-such-name.invalid/",
        f"http://{'a' * 300}/",
    ],
)
def test_nothing_is_fetched_from_here_or_from_the_neighbourhood(url: str) -> None:
    with pytest.raises(ForbiddenError, match="public internet"):
        asyncio.run(ImageFetcher(max_bytes=1000).fetch([url]))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a.png",
        "gopher://127.0.0.1/",
        "http://",
        "http:///a.png",
        "//example.org/a.png",
        "http://example.org\r\nHost: inner/",
        "http://0177.0.0.1/",
        "http://[::1",
        "http://user:password@example.org/",
        "http://example.org:80\\@127.0.0.1/",
        "data:image/png;base64,AAAA",
    ],
)
def test_what_is_no_plain_url_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(QueryError):
        asyncio.run(ImageFetcher(max_bytes=1000).fetch([url]))


def test_the_connection_goes_to_the_address_that_was_looked_at(server: WebServer) -> None:
    """The name is not looked up again: that is how it could lead elsewhere the second time."""
    asked = []

    async def lookup(host: str) -> list[Address]:
        asked.append(host)
        return [HERE]

    url = server.url("picture/image/png", "photos.example")
    assert _fetch(server, url, lookup=lookup) == PICTURE
    assert asked == ["photos.example"]
    ((_, headers),) = server.asked
    assert headers["Host"] == f"photos.example:{server.port}"


def test_a_name_with_one_private_address_among_others_is_refused(server: WebServer) -> None:
    async def lookup(_host: str) -> list[Address]:
        return [PUBLIC, HERE]

    with pytest.raises(ForbiddenError):
        _fetch(server, server.url("picture/image/png", "photos.example"), lookup=lookup)
    assert not server.asked


def test_redirects_are_followed_three_times(server: WebServer) -> None:
    assert _fetch(server, server.url("hops/2")) == PICTURE
    assert _fetch(server, server.url("hops/1")) == PICTURE
    with pytest.raises(QueryError, match="redirects more than 3 times"):
        _fetch(server, server.url("hops/3"))
    with pytest.raises(QueryError, match="redirects more than 3 times"):
        _fetch(server, server.url("hops/100000"))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("http:||127.0.0.1:1|secret", ForbiddenError),
        ("http:||169.254.169.254|", ForbiddenError),
        ("||localhost:1|", ForbiddenError),
        ("http:||[::1]|", ForbiddenError),
        ("file:|||etc|passwd", QueryError),
        ("http:||user@127.0.0.1|", QueryError),
        ("http:||example.org:port|", QueryError),
    ],
)
def test_a_redirect_leads_only_where_a_url_may(
    server: WebServer, place: str, error: type[BlipSearchError]
) -> None:
    with pytest.raises(error):
        _fetch(server, server.url(f"to/{place}"))


def test_a_name_that_moves_between_redirects_is_looked_at_each_time(server: WebServer) -> None:
    answers = [HERE, ip_address("10.0.0.1")]

    async def lookup(_host: str) -> list[Address]:
        return [answers.pop(0)]

    with pytest.raises(ForbiddenError):
        _fetch(server, server.url("hops/0", "photos.example"), lookup=lookup)
    assert not answers


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("status/404", "the answer is 404"),
        ("status/500", "the answer is 500"),
        ("status/206", "the answer is 206"),
        ("picture/text/html", "no picture by its Content-Type"),
        ("picture/application/json", "no picture by its Content-Type"),
        ("packed", "it comes packed"),
    ],
)
def test_what_is_no_picture_is_not_passed_on(server: WebServer, path: str, said: str) -> None:
    with pytest.raises(QueryError, match=said) as caught:
        _fetch(server, server.url(path))
    assert "secret" not in str(caught.value)


def test_nobody_there_is_said(server: WebServer) -> None:
    port = server.port
    server.stop()
    with pytest.raises(QueryError, match="cannot be fetched: ConnectError"):
        _fetch(server, f"http://127.0.0.1:{port}/")


def test_too_much_is_given_up_at_once_whether_it_says_so_or_not(server: WebServer) -> None:
    for path in ("picture/image/png", "endless"):
        with pytest.raises(RequestTooLargeError, match="more than 1000 bytes"):
            _fetch(server, server.url(path), max_bytes=1000)


def test_all_pictures_of_a_request_share_one_limit(server: WebServer) -> None:
    urls = [server.url(f"picture/image/{number}") for number in range(3)]
    fetcher = ImageFetcher(max_bytes=2 * len(PICTURE), allowed=lambda *_: True)
    with pytest.raises(RequestTooLargeError):
        asyncio.run(fetcher.fetch(urls))
    assert len(server.asked) == 3


def test_what_drips_is_given_up_when_the_time_is_up(server: WebServer) -> None:
    """Each byte comes soon enough; it is the whole that has a limit."""
    with pytest.raises(QueryError, match=r"did not come within 0\.5 seconds"):
        _fetch(server, server.url("slow"), max_bytes=10**6, seconds=0.5)


def test_only_some_requests_fetch_at_a_time(server: WebServer) -> None:
    fetcher = ImageFetcher(max_bytes=10**6, seconds=2.0, allowed=lambda *_: True)

    async def ask() -> list[Any]:
        asked = (fetcher.fetch([server.url("slow")]) for _ in range(10))
        first = await asyncio.gather(*asked, return_exceptions=True)
        again = await asyncio.gather(fetcher.fetch([server.url("untyped")]))
        return [*first, *again]

    *first, again = asyncio.run(ask())
    assert [type(one) for one in first] == [QueryError] * 8 + [OverloadedError] * 2
    assert list(again.values()) == [PICTURE]


def test_nothing_of_this_machines_surroundings_goes_along(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy, nor a password file, nor what the client of the service sent."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert _fetch(server, server.url("picture/image/png")) == PICTURE
    ((_, headers),) = server.asked
    assert {name.lower() for name in headers} == {
        *("host", "user-agent", "accept", "accept-encoding", "connection")
    }
    assert headers["Accept-Encoding"] == "identity"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for photos.example alone, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=photos.example", "-addext", "subjectAltName=DNS:photos.example"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize(("host", "is_it"), [("photos.example", True), ("other.example", False)])
def test_a_certificate_must_be_for_the_name_not_for_the_address(
    certified: tuple[Path, Path], host: str, is_it: bool
) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*certified)
    server = WebServer(serving)

    async def lookup(_host: str) -> list[Address]:
        return [HERE]

    url = f"https://{host}:{server.port}/picture/image/png"
    options = {"lookup": lookup, "context": ssl.create_default_context(cafile=certified[0])}
    try:
        if is_it:
            assert _fetch(server, url, **options) == PICTURE
        else:
            with pytest.raises(QueryError, match="cannot be fetched: ConnectError"):
                _fetch(server, url, **options)
    finally:
        server.stop()
