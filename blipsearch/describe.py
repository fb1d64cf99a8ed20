"""Putting a query's image into words, so that the ITM head can be asked about it."""

from __future__ import annotations

from PIL import Image

from blipsearch.blip import BlipCaptioner
from blipsearch.blip.captioner import PROMPT
from blipsearch.blip.find import BUILTIN
from blipsearch.settings import Settings

__all__ = ["Describer"]


class Describer:
    """Captions one picture at a time; its checkpoint is loaded when the first one comes.

    It is the settings' captioning checkpoint, or the built-in one for a collection that the
    built-in one embedded, unless the settings name another.
    """

    def __init__(self, settings: Settings, retrieval_checkpoint: str) -> None:
        chosen = "caption_checkpoint" in settings.model_fields_set
        own = BUILTIN if retrieval_checkpoint == BUILTIN and not chosen else None
        self._checkpoint = own or settings.caption_checkpoint
        self._settings = settings
        self._captioner: BlipCaptioner | None = None

    def __call__(self, image: Image.Image) -> str:
        """A caption of an RGB picture, without the prompt. Raises CheckpointError."""
        if self._captioner is None:
            self._captioner = BlipCaptioner.from_pretrained(
                self._checkpoint, device=self._settings.device, dtype=self._settings.dtype
            )
        return self._captioner.caption([image], prompt=PROMPT)[0].removeprefix(PROMPT)
