"""Names for transformers' objects, whose own annotations do not hold under a strict type check."""

from typing import Any

__all__ = [
    "Decoder",
    "ImageProcessor",
    "Network",
    "NetworkClass",
    "Processor",
    "Tokenizer",
    "VisionTower",
]

Network = Any
"""One of transformers' BLIP networks: BlipForImageTextRetrieval, BlipForConditionalGeneration,
BlipForQuestionAnswering or BlipModel."""

NetworkClass = Any
"""The class of one of these."""

VisionTower = Any
"""A BlipVisionModel."""

Decoder = Any
"""A BlipTextLMHeadModel."""

Processor = Any
"""A BlipProcessor."""

ImageProcessor = Any
"""A BlipImageProcessorPil."""

Tokenizer = Any
"""A BertTokenizer."""
