"""Fetches a picture over http and https without being led to this machine or its neighbours."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx2

import blipsearch
from blipsearch.fetching.addresses import Address, Lookup, is_public_web, looked_up
from blipsearch.fetching.budget import Budget, shown
from blipsearch.fetching.failures import FetchError, FetchFailure

__all__ = ["Allowed", "WebFetcher"]

Allowed = Callable[[Address, int], bool]
"""Whether a port of an address may be connected to."""

Sink = Callable[[bytes], object]
"""Takes what comes, part by part."""

REDIRECTS = 3
_PLAIN = frozenset({"", "identity"})
_BINARY = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class WebFetcher:
    """Fetches pictures; how long that may take is for the caller to bound.

    A host's name is looked up once and every address it has must be `allowed`; the connection then
    goes to that address itself, so that no second lookup can lead elsewhere. Each redirect is
    looked at anew. Neither proxies nor passwords of this machine are used. No single wait is longer
    than `seconds`.
    """

    def __init__(
        self,
        *,
        seconds: float,
        allowed: Allowed = is_public_web,
        lookup: Lookup = looked_up,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._seconds = seconds
        self._allowed = allowed
        self._lookup = lookup
        self._context = context or httpx2.create_ssl_context()

    async def fetch(self, given: str, budget: Budget, sink: Sink) -> None:
        """Hand what is at a URL to the sink, within the budget's bytes. Raises FetchError."""
        url = _parsed(given)
        # One connection pool a picture: another host at the same address must not share one.
        async with self._client() as client:
            for _ in range(REDIRECTS + 1):
                moved = await self._step(client, url, budget, sink)
                if moved is None:
                    return
                url = moved
        raise FetchError("redirects", f"{shown(given)} redirects more than {REDIRECTS} times")

    def _client(self) -> httpx2.AsyncClient:
        transport = httpx2.AsyncHTTPTransport(verify=self._context, trust_env=False)
        return httpx2.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=self._seconds,
            headers={
                "User-Agent": f"blipsearch/{blipsearch.__version__}",
                "Accept": "image/*",
                # What is packed could grow without end.
                "Accept-Encoding": "identity",
            },
        )

    async def _step(
        self, client: httpx2.AsyncClient, url: httpx2.URL, budget: Budget, sink: Sink
    ) -> httpx2.URL | None:
        """Take what is at a URL; return the URL that it moved to, if it did."""
        addresses = await self._addresses(url)
        request = client.build_request(
            "GET",
            url.copy_with(host=str(addresses[0])),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": _host(url)},
        )
        try:
            response = await client.send(request, stream=True)
            try:
                if response.has_redirect_location:
                    return _parsed(str(url.join(response.headers["location"])))
                _check_is_picture(response, url)
                await _read(response, str(url), budget, sink)
                return None
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise _failed("unreachable", url, type(error).__name__) from error

    async def _addresses(self, url: httpx2.URL) -> list[Address]:
        """The addresses of a URL's host. Raises FetchError unless all are allowed."""
        port = {"http": 80, "https": 443}[url.scheme] if url.port is None else url.port
        try:
            addresses = await self._lookup(_host(url))
        except (OSError, UnicodeError, ValueError):
            addresses = []
        # A name that is nowhere gets the same answer: names of an inner network are no secret to
        # be found out here.
        if not addresses or not all(self._allowed(address, port) for address in addresses):
            raise FetchError(
                "forbidden",
                f"{shown(str(url))} does not lead to a web server on the public internet "
                "(port 80 or 443)",
            )
        return addresses


def _parsed(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchError("no_url", f"{shown(text)} is no URL") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise FetchError("no_url", f"{shown(text)} is no URL of http or https")
    if url.userinfo:
        raise FetchError(
            "no_url", f"{shown(url.host)}: a URL with a name or password is not fetched"
        )
    return url.copy_with(fragment=None)


def _host(url: httpx2.URL) -> str:
    """The host as it is looked up and certified: a name in ASCII, or an address."""
    return url.raw_host.decode("ascii")


def _check_is_picture(response: httpx2.Response, url: httpx2.URL) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    status = response.status_code
    if status != 200:
        raise _failed("status", url, f"the answer is {status}", status)
    if response.headers.get("content-encoding", "").strip().lower() not in _PLAIN:
        raise _failed("no_picture", url, "it comes packed, though it was asked for as it is")
    if not kind.startswith("image/") and kind not in _BINARY:
        raise _failed("no_picture", url, "it is no picture by its Content-Type")


async def _read(response: httpx2.Response, url: str, budget: Budget, sink: Sink) -> None:
    said = response.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > budget.left:
        budget.spend(budget.left + 1, url)
    async for part in response.aiter_raw():
        budget.spend(len(part), url)
        sink(part)


def _failed(failure: FetchFailure, url: httpx2.URL, why: str, status: int = 0) -> FetchError:
    return FetchError(
        failure, f"the picture at {shown(str(url))} cannot be fetched: {why}", status=status
    )
