"""The images of a collection."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from api.deps import Service
from blipsearch.errors import ImageNotFoundError

router = APIRouter(prefix="/v1/collections/{name}/images", tags=["images"])


@router.get("/{image_id}/file")
def get_file(service: Service, name: str, image_id: int) -> FileResponse:
    """Send an indexed image's file; never a path from the request."""
    entry = service.collection(name).image(image_id)
    path = Path(entry.absolute_path)
    if entry.status != "indexed" or not path.is_file():
        raise ImageNotFoundError(f"the file of image {image_id} in {name!r} is not there any more")
    return FileResponse(path)
