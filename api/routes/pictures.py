"""Pictures that need not be indexed: what is sent is put into words, and not kept."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.deps import RequestIntake, Service
from api.description.errors import GUARDED, errors
from blipsearch.schemas import (
    AnswerResponse,
    CaptionResponse,
    PictureAnswerRequest,
    PictureCaptionRequest,
)

router = APIRouter(
    prefix="/v1/collections/{name}", tags=["images"], responses=errors(*GUARDED, 400, 404, 422)
)


@router.post("/caption")
async def caption_picture(
    service: Service,
    intake: RequestIntake,
    name: str,
    wanted: PictureCaptionRequest,
    request: Request,
) -> CaptionResponse:
    """Say in words what a picture shows, with the collection's checkpoints; it is not kept."""
    picture = await intake.content(wanted)
    return await service.caption(name, picture, wanted.prompt, request)


@router.post("/answer")
async def answer_about_picture(
    service: Service,
    intake: RequestIntake,
    name: str,
    wanted: PictureAnswerRequest,
    request: Request,
) -> AnswerResponse:
    """Answer a question about a picture, freely or from choices; it is not kept."""
    picture = await intake.content(wanted)
    return await service.answer(name, picture, wanted, request)
