"""Which checkpoints put pictures into words, and doing so for a query's image."""

from __future__ import annotations

from PIL import Image

from blipsearch.blip import BlipCaptioner
from blipsearch.blip.captioner import PROMPT
from blipsearch.blip.find import BUILTIN
from blipsearch.settings import Settings

__all__ = ["Describer", "answer_checkpoint", "caption_checkpoint"]


def caption_checkpoint(settings: Settings, retrieval_checkpoint: str) -> str:
    """Name the captioning checkpoint for what this retrieval checkpoint embedded.

    It is the settings' one, or the built-in one for a collection that the built-in one embedded,
    unless the settings name another.
    """
    chosen = "caption_checkpoint" in settings.model_fields_set
    own = retrieval_checkpoint == BUILTIN and not chosen
    return BUILTIN if own else settings.caption_checkpoint


def answer_checkpoint(settings: Settings, retrieval_checkpoint: str) -> str:
    """Name the answering checkpoint, chosen in the same way."""
    chosen = "answer_checkpoint" in settings.model_fields_set
    own = retrieval_checkpoint == BUILTIN and not chosen
    return BUILTIN if own else settings.answer_checkpoint


class Describer:
    """Captions one picture at a time; its checkpoint is loaded when the first one comes."""

    def __init__(self, settings: Settings, retrieval_checkpoint: str) -> None:
        self._checkpoint = caption_checkpoint(settings, retrieval_checkpoint)
        self._settings = settings
        self._captioner: BlipCaptioner | None = None

    def __call__(self, image: Image.Image) -> str:
        """A caption of an RGB picture, without the prompt. Raises CheckpointError."""
        if self._captioner is None:
            self._captioner = BlipCaptioner.from_pretrained(
                self._checkpoint, device=self._settings.device, dtype=self._settings.dtype
            )
        return self._captioner.caption([image], prompt=PROMPT)[0].removeprefix(PROMPT)
