"""The images of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from api.deps import Service
from blipsearch.errors import ImageNotFoundError
from blipsearch.heatmap import png_bytes

router = APIRouter(prefix="/v1/collections/{name}/images", tags=["images"])


@router.get("/{image_id}/file")
def get_file(service: Service, name: str, image_id: int) -> FileResponse:
    """Send an indexed image's file; never a path from the request."""
    entry = service.collection(name).image(image_id)
    path = Path(entry.absolute_path)
    if entry.status != "indexed" or not path.is_file():
        raise ImageNotFoundError(f"the file of image {image_id} in {name!r} is not there any more")
    return FileResponse(path)


@router.get("/{image_id}/heatmap", response_class=Response)
def get_heat_map(
    service: Service,
    name: str,
    image_id: int,
    text: Annotated[str, Query(min_length=1, max_length=1000)],
) -> Response:
    """Draw, as PNG, which part of an image answers to which word of a text."""
    drawn = png_bytes(service.heat_map(name, image_id, text))
    return Response(drawn, media_type="image/png")
