"""Pictures that requests name by URL: fetched from the public internet, and from nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import anyio
import httpx2

import blipsearch
from api.security.addresses import Address, Lookup, is_public_web, looked_up
from blipsearch.errors import (
    ForbiddenError,
    OverloadedError,
    QueryError,
    RequestTooLargeError,
)

__all__ = ["Allowed", "ImageFetcher"]

Allowed = Callable[[Address, int], bool]
"""Whether a port of an address may be connected to."""

SECONDS = 10.0
REDIRECTS = 3
MOST_AT_A_TIME = 8
_SHOWN = 100
_PLAIN = frozenset({"", "identity"})
_BINARY = frozenset({"", "application/octet-stream"})


@dataclass(slots=True)
class _Budget:
    """How many more bytes may come."""

    most: int
    left: int

    def spend(self, size: int, url: str) -> None:
        self.left -= size
        if self.left < 0:
            raise RequestTooLargeError(
                f"what the request names by URL has more than {self.most} bytes, at {_shown(url)}; "
                "name a smaller picture, or let the service take more with "
                "BLIPSEARCH_SERVICE_MAX_BODY"
            )


class ImageFetcher:
    """Fetches pictures over http and https, a few requests' at a time; for one event loop.

    A host's name is looked up once and every address it has must be `allowed`; the connection then
    goes to that address itself, so that no second lookup can lead elsewhere. Each redirect is
    looked at anew. Neither proxies nor passwords of this machine are used.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        seconds: float = SECONDS,
        allowed: Allowed = is_public_web,
        lookup: Lookup = looked_up,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._allowed = allowed
        self._lookup = lookup
        self._context = context or httpx2.create_ssl_context()
        self._under_way = 0

    async def fetch(self, urls: Iterable[str]) -> dict[str, bytes]:
        """Fetch pictures, each once; all together have `max_bytes` and `seconds`.

        Raises ForbiddenError for a place that is not `allowed`, QueryError where there is no
        picture, RequestTooLargeError, and OverloadedError where others are being fetched already.
        """
        if self._under_way >= MOST_AT_A_TIME:
            raise OverloadedError("the service is fetching enough pictures for others; ask again")
        budget = _Budget(self._max_bytes, self._max_bytes)
        self._under_way += 1
        try:
            with anyio.fail_after(self._seconds):
                return {url: await self._one(url, budget) for url in dict.fromkeys(urls)}
        except TimeoutError as error:
            raise QueryError(
                f"what the request names by URL did not come within {self._seconds:g} seconds; "
                "fetch it yourself and send its bytes as image"
            ) from error
        finally:
            self._under_way -= 1

    async def _one(self, given: str, budget: _Budget) -> bytes:
        url = _parsed(given)
        # One connection pool a picture: another host at the same address must not share one.
        async with self._client() as client:
            for _ in range(REDIRECTS + 1):
                content, moved = await self._step(client, url, budget)
                if moved is None:
                    return content
                url = moved
        raise QueryError(f"{_shown(given)} redirects more than {REDIRECTS} times")

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
        self, client: httpx2.AsyncClient, url: httpx2.URL, budget: _Budget
    ) -> tuple[bytes, httpx2.URL | None]:
        """What is at a URL, or the URL that it moved to."""
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
                    return b"", _parsed(str(url.join(response.headers["location"])))
                _check_is_picture(response, url)
                return await _read(response, str(url), budget), None
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise _failed(url, type(error).__name__) from error

    async def _addresses(self, url: httpx2.URL) -> list[Address]:
        """The addresses of a URL's host. Raises ForbiddenError unless all are allowed."""
        port = {"http": 80, "https": 443}[url.scheme] if url.port is None else url.port
        try:
            addresses = await self._lookup(_host(url))
        except (OSError, UnicodeError, ValueError):
            addresses = []
        # A name that is nowhere gets the same answer: names of an inner network are no secret to
        # be found out here.
        if not addresses or not all(self._allowed(address, port) for address in addresses):
            raise ForbiddenError(
                f"{_shown(str(url))} does not lead to a web server on the public internet "
                "(port 80 or 443), and the service fetches from nowhere else"
            )
        return addresses


def _parsed(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise QueryError(f"{_shown(text)} is no URL") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise QueryError(f"{_shown(text)} is no URL of http or https")
    if url.userinfo:
        raise QueryError(f"{_shown(url.host)}: a URL with a name or password is not fetched")
    return url.copy_with(fragment=None)


def _host(url: httpx2.URL) -> str:
    """The host as it is looked up and certified: a name in ASCII, or an address."""
    return url.raw_host.decode("ascii")


def _check_is_picture(response: httpx2.Response, url: httpx2.URL) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code != 200:
        raise _failed(url, f"the answer is {response.status_code}")
    if response.headers.get("content-encoding", "").strip().lower() not in _PLAIN:
        raise _failed(url, "it comes packed, though it was asked for as it is")
    if not kind.startswith("image/") and kind not in _BINARY:
        raise _failed(url, "it is no picture by its Content-Type")


async def _read(response: httpx2.Response, url: str, budget: _Budget) -> bytes:
    said = response.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > budget.left:
        budget.spend(budget.left + 1, url)
    parts = []
    async for part in response.aiter_raw():
        budget.spend(len(part), url)
        parts.append(part)
    return b"".join(parts)


def _failed(url: httpx2.URL, why: str) -> QueryError:
    return QueryError(
        f"the picture at {_shown(str(url))} cannot be fetched: {why}; "
        "fetch it yourself and send its bytes as image"
    )


def _shown(url: str) -> str:
    return repr(url if len(url) <= _SHOWN else f"{url[: _SHOWN - 3]}...")
