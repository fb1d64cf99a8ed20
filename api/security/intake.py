"""What a request may ask of the service beyond what its schema says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_core import PydanticSerializationError
from starlette.concurrency import run_in_threadpool

from api.security.fetch import ImageFetcher
from api.settings import ServiceSettings
from blipsearch.errors import ForbiddenError, InvalidFilterError
from blipsearch.filters import Filter, conditions
from blipsearch.filters.text import load_filter
from blipsearch.schemas import SearchRequest, SentPicture

__all__ = ["Intake"]


class Intake:
    """Looks at requests before they are let in: filters, and the pictures they name by URL.

    `fetcher` is how pictures are fetched where the settings allow it.
    """

    def __init__(self, settings: ServiceSettings, fetcher: ImageFetcher | None = None) -> None:
        self._max_conditions = settings.max_conditions
        self._fetcher = None
        if settings.image_urls:
            self._fetcher = fetcher or ImageFetcher(max_bytes=int(settings.max_body))

    async def resolved(self, request: SearchRequest) -> SearchRequest:
        """Return the request with the bytes of its pictures in the place of their URLs.

        Raises InvalidFilterError for a filter that cannot be read or has too many conditions,
        ForbiddenError where the service takes no URLs, and what ImageFetcher.fetch raises.
        """
        if request.filter is not None:
            read = await run_in_threadpool(self._checked, request.filter)
            request = request.model_copy(update={"filter": read})
        urls = [term.image_url for term in request.terms or () if term.image_url is not None]
        if request.image_url is not None:
            urls.append(request.image_url)
        if not urls:
            return request
        contents = await self._fetched(urls)
        if request.image_url is not None:
            fetched = {"image": contents[request.image_url], "image_url": None}
            return request.model_copy(update=fetched)
        terms = tuple(
            term
            if term.image_url is None
            else term.model_copy(update={"image": contents[term.image_url], "image_url": None})
            for term in request.terms or ()
        )
        return request.model_copy(update={"terms": terms})

    async def content(self, picture: SentPicture) -> bytes:
        """Return the bytes of a request's picture. Raises as `resolved` does for a URL."""
        if picture.image_url is None:
            return picture.image or b""
        return (await self._fetched([picture.image_url]))[picture.image_url]

    async def _fetched(self, urls: Sequence[str]) -> Mapping[str, bytes]:
        if self._fetcher is None:
            raise ForbiddenError(
                "the service fetches no pictures: send the picture's bytes as image, or allow "
                "image_url with BLIPSEARCH_SERVICE_IMAGE_URLS=true"
            )
        return await self._fetcher.fetch(urls)

    def _checked(self, given: str | Filter) -> Filter:
        read = load_filter(given)
        try:
            read.model_dump_json()
        except PydanticSerializationError as error:
            raise InvalidFilterError("a filter has text that is no Unicode") from error
        count = sum(1 for _ in conditions(read))
        if count > self._max_conditions:
            raise InvalidFilterError(
                f"the service takes filters of at most {self._max_conditions} conditions, this one "
                f"has {count}; say less, or let it take more with "
                "BLIPSEARCH_SERVICE_MAX_CONDITIONS"
            )
        return read
