"""Captioning: the part of an index run that `--captions` asks for."""

from __future__ import annotations

import sys
import threading

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.blip.device import device_names
from blipsearch.collection import Collection
from blipsearch.describe import caption_checkpoint
from blipsearch.settings import Settings
from indexer.captions import CaptionOptions, CaptionProgress, caption_collection
from indexer.progress import working
from indexer.records import CaptionSummary

__all__ = ["Captioning"]

ON_A_GPU = 32
"""Images captioned at a time where the settings do not say: there a batch takes a second."""


class Captioning:
    """Captions what a collection holds, as often as it is asked to, as the settings say."""

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self._collection = collection
        self._settings = settings
        self._name = caption_checkpoint(settings, collection.checkpoint.name)
        self._captioner: BlipCaptioner | None = None

    def check(self) -> None:
        """Raise CheckpointError where the captioning checkpoint is none, before hours of work."""
        if self._captioner is None:
            BlipCaptioner.check(self._name)

    def caption(self, retriever: BlipRetriever, stop: threading.Event) -> CaptionSummary:
        """Caption the images without a caption, and show on stderr how far it is.

        The captioning checkpoint is loaded when it is first needed. Raises CheckpointError, and
        what `caption_collection` raises.
        """
        if not self._collection.uncaptioned(self._name):
            return CaptionSummary()
        captioner = self._loaded()
        with working("captioning") as show:

            def report(progress: CaptionProgress) -> None:
                show(_details(progress), progress.done, progress.total)

            options = self._options(captioner)
            return caption_collection(self._collection, captioner, retriever, options, report, stop)

    def _loaded(self) -> BlipCaptioner:
        if self._captioner is None:
            device = device_names(self._settings.device)[0]
            self._captioner = BlipCaptioner.from_pretrained(
                self._name, device=device, dtype=self._settings.dtype
            )
            sys.stderr.write(f"{self._captioner.description}\n")
        return self._captioner

    def _options(self, captioner: BlipCaptioner) -> CaptionOptions:
        settings = self._settings
        usual = CaptionOptions().batch_size if captioner.device == "cpu" else ON_A_GPU
        return CaptionOptions(
            threshold=settings.caption_threshold,
            batch_size=settings.batch_size or usual,
            max_pixels=settings.max_pixels,
        )


def _details(progress: CaptionProgress) -> str:
    pace = progress.done / progress.seconds if progress.seconds > 0 else 0.0
    parts = [f"{pace:.1f} images/s", f"{progress.redrawn:,} redrawn"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)
