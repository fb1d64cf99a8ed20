"""The images of a collection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import Field

from api.deps import Service
from api.description.errors import GUARDED, errors
from blipsearch.errors import QueryError
from blipsearch.schemas import (
    AnswerRequest,
    AnswerResponse,
    CaptionRequest,
    CaptionResponse,
    ImageChange,
    ImageDetail,
    Tag,
)
from indexer.uploads import Upload

router = APIRouter(
    prefix="/v1/collections/{name}/images",
    tags=["images"],
    responses=errors(*GUARDED, 400, 404, 422),
)

ImageId = Annotated[int, InPath(ge=1, le=2**63 - 1)]
ThumbnailSize = Annotated[int, Field(ge=16, le=2048)]
"""The longest side, in pixels."""

PIECE = 1 << 18

REVALIDATE = "private, no-cache"
"""A content may change under its id, so a browser asks again, and is told that it has not."""


@router.post(
    "", status_code=201, response_model=ImageDetail, responses={200: {"model": ImageDetail}}
)
async def add_image(  # noqa: PLR0913  # a route's parameters are its interface
    service: Service,
    name: str,
    request: Request,
    response: Response,
    *,
    file: Annotated[UploadFile, File(description="The picture.")],
    tags: Annotated[list[Tag], Form(max_length=100)] = [],  # noqa: B006  # FastAPI copies it
    metadata: Annotated[str, Form(description="A JSON object.", max_length=100_000)] = "{}",
) -> ImageDetail:
    """Add a picture to the collection, searchable at once; 200 where it was there already."""
    upload = Upload(await file.read(), file.filename or "", tuple(tags), _json_object(metadata))
    image_id, is_new = await service.add(name, upload, request)
    response.status_code = 201 if is_new else 200
    return await run_in_threadpool(service.image, name, image_id)


@router.get("/{image_id}")
def get_image(service: Service, name: str, image_id: ImageId) -> ImageDetail:
    """Tell all that is known of an image."""
    return service.image(name, image_id)


@router.patch("/{image_id}")
def change_image(
    service: Service, name: str, image_id: ImageId, change: ImageChange
) -> ImageDetail:
    """Replace an image's tags, its metadata, or both."""
    return service.change(name, image_id, change)


@router.delete("/{image_id}", status_code=204)
def delete_image(service: Service, name: str, image_id: ImageId) -> None:
    """Take an image out of the collection; the file stays, unless it was uploaded here."""
    service.remove(name, image_id)


@router.get("/{image_id}/file", response_class=FileResponse)
def get_file(service: Service, name: str, image_id: ImageId) -> Response:
    """Send an indexed image's file; never a path from the request."""
    entry = service.indexed(name, image_id)
    kind = f"image/{(entry.format or 'octet-stream').lower()}"
    headers = {"Cache-Control": REVALIDATE}
    if entry.place.local_file is not None:
        return FileResponse(entry.place.local_file, media_type=kind, headers=headers)
    content = service.content(entry)
    headers["Content-Length"] = str(content.seek(0, os.SEEK_END))
    headers["ETag"] = f'"{entry.sha256[:32]}"'
    return StreamingResponse(_pieces(content), media_type=kind, headers=headers)


@router.get(
    "/{image_id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "As it was."}},
)
async def get_thumbnail(
    service: Service,
    name: str,
    image_id: ImageId,
    request: Request,
    size: ThumbnailSize = 320,
) -> Response:
    """Send a small JPEG of an image, its longest side at most `size` pixels."""
    entry = await run_in_threadpool(service.indexed, name, image_id)
    headers = {"ETag": f'"{entry.sha256[:32]}-{size}"', "Cache-Control": REVALIDATE}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    content = await service.thumbnail(entry, size)
    return Response(content, media_type="image/jpeg", headers=headers)


@router.get(
    "/{image_id}/heatmap", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
async def get_heat_map(
    service: Service,
    name: str,
    image_id: ImageId,
    request: Request,
    text: Annotated[str, Query(min_length=1, max_length=1000)],
) -> Response:
    """Draw, as PNG, which part of an image answers to which word of a text."""
    drawn = await service.heat_map(name, image_id, text, request)
    return Response(drawn, media_type="image/png")


@router.post("/{image_id}/caption")
async def caption(
    service: Service, name: str, image_id: ImageId, wanted: CaptionRequest, request: Request
) -> CaptionResponse:
    """Say in words what an image shows."""
    return await service.caption(name, image_id, wanted.prompt, request)


@router.post("/{image_id}/answer")
async def answer(
    service: Service, name: str, image_id: ImageId, wanted: AnswerRequest, request: Request
) -> AnswerResponse:
    """Answer a question about an image, freely or from choices."""
    return await service.answer(name, image_id, wanted, request)


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    with content:
        content.seek(0)
        while piece := content.read(PIECE):
            yield piece


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"metadata is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise QueryError('metadata must be a JSON object, as in {"album": "2024"}')
    return value
