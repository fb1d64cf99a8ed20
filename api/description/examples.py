"""An example of each thing that is sent and answered, as the service's description shows it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXAMPLES"]

_COLLECTION = {
    "name": "photos",
    "images": 9412,
    "failed": 3,
    "missing": 0,
    "checkpoint": "Salesforce/blip-itm-base-coco",
    "fingerprint": "5f1d3c0e9a7b42d8861f0c3b7e5a94d2b8c6e1f07a3d5b9c4e2f8a6d1b0c3e7f",
    "dim": 256,
    "created_at": "2026-05-02T09:30:00Z",
    "states": {
        "kind": "float16",
        "images": 9412,
        "bytes": 8341592064,
        "budget": 20000000000,
    },
}

_HIT = {
    "id": 812,
    "match": 0.987,
    "score": 4.71,
    "cosine": 0.412,
    "source": "photos",
    "path": "2024/beach/0412.jpg",
    "width": 4032,
    "height": 3024,
    "metadata": {"event": "summer"},
    "removed": False,
    "caption": "a dog running on a beach",
    "answer": None,
}

_IMAGE = {
    "id": 812,
    "status": "indexed",
    "reason": "",
    "source": "photos",
    "path": "2024/beach/0412.jpg",
    "bytes": 2384711,
    "sha256": "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a",
    "width": 4032,
    "height": 3024,
    "format": "JPEG",
    "taken_at": "2024-08-03T11:20:31",
    "camera": "Canon EOS R6",
    "lens": "RF24-105mm F4 L IS USM",
    "latitude": 48.64,
    "longitude": -2.03,
    "tags": ["beach", "dog"],
    "metadata": {"event": "summer"},
    "captions": [
        {
            "text": "a dog running on a beach",
            "checkpoint": "Salesforce/blip-image-captioning-base",
            "match": 0.995,
        }
    ],
    "answers": [],
}

_PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A GIF of one pixel."""

EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "SearchRequest": {
        "query": "a dog on a beach",
        "filter": "taken_at:2024 -tag:private",
        "limit": 20,
        "min_match": 0.5,
        "include": ["caption"],
    },
    "SearchResponse": {
        "hits": [_HIT],
        "count": 1,
        "candidates": 64,
        "reranked": 64,
        "unverified": 0,
        "next_cursor": None,
        "timings": {"embed": 4.1, "filter": 0.9, "retrieve": 1.3, "match": 96.2},
        "explanation": None,
    },
    "CollectionSummary": _COLLECTION,
    "CollectionList": {"collections": [_COLLECTION]},
    "ImageDetail": _IMAGE,
    "ImageChange": {"tags": ["beach", "dog"], "metadata": {"event": "summer"}},
    "CaptionRequest": {"prompt": "a picture of "},
    "PictureCaptionRequest": {"image": _PIXEL, "prompt": "a picture of "},
    "CaptionResponse": {
        "text": "a picture of a dog running on a beach",
        "match": 0.995,
        "checkpoint": "Salesforce/blip-image-captioning-base",
    },
    "AnswerRequest": {"question": "what color is the dog?", "choices": ["black", "brown", "white"]},
    "PictureAnswerRequest": {
        "image_url": "https://example.org/dog.jpg",
        "question": "what color is the dog?",
    },
    "AnswerResponse": {
        "question": "what color is the dog?",
        "answer": "brown",
        "checkpoint": "Salesforce/blip-vqa-base",
    },
    "ErrorResponse": {
        "error": {
            "code": "collection_not_found",
            "message": "there is no collection 'fotos'; there is: photos",
            "detail": {},
        }
    },
    "Alive": {"status": "alive"},
    "Ready": {
        "status": "ready",
        "collections": 1,
        "checkpoints": {
            "retrieval": ["Salesforce/blip-itm-base-coco"],
            "caption": ["Salesforce/blip-image-captioning-base"],
            "answer": [],
        },
        "problems": [],
    },
    "SignIn": {"key": "the key that blipsearch keys add printed"},
}
"""By the name of the type."""
