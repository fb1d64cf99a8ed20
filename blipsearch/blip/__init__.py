"""The BLIP layer: the only package that imports torch and transformers."""

from blipsearch.blip.retriever import BlipRetriever, EncodedImages

__all__ = ["BlipRetriever", "EncodedImages"]
