"""The BLIP layer: the only package that imports torch and transformers."""

from blipsearch.blip.answerer import BlipAnswerer
from blipsearch.blip.captioner import BlipCaptioner
from blipsearch.blip.pixels import AnyImage
from blipsearch.blip.protocol import Retriever
from blipsearch.blip.retriever import BlipRetriever, EncodedImages, EncodedQuery

__all__ = [
    "AnyImage",
    "BlipAnswerer",
    "BlipCaptioner",
    "BlipRetriever",
    "EncodedImages",
    "EncodedQuery",
    "Retriever",
]
