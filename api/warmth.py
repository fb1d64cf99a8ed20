"""Getting warm: what a search needs is loaded and tried once before the first one comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from api.batching import CancelledError, Ticket
from api.engine import Engine
from api.settings import ServiceSettings
from blipsearch.errors import BlipSearchError
from blipsearch.resource import Resource
from blipsearch.schemas import SearchRequest

__all__ = ["Readiness", "Warmth"]

logger = logging.getLogger("blipsearch.service")

LONGEST_LOAD = 3600.0
"""Seconds: a checkpoint may have to be downloaded first."""
LOOK_EVERY = 1.0
"""Seconds between two looks at what is idle, at most."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service is ready, what is loaded, by task, and what is in the way."""

    status: Literal["starting", "ready", "failed"]
    checkpoints: Mapping[str, Sequence[str]]
    problems: tuple[str, ...] = ()


class Warmth(Resource):
    """Warms an engine up in the background, and lets go of what is not used for long."""

    def __init__(self, engine: Engine, service: ServiceSettings) -> None:
        self._engine = engine
        self._preload = service.preload
        self._idle = service.idle_seconds
        self._problems: list[str] = []
        self._warm = threading.Event()
        self._stop = threading.Event()
        self._ticket = Ticket(LONGEST_LOAD)
        self._thread = threading.Thread(target=self._run, name="warmth", daemon=True)
        self._thread.start()
        self._closed = False

    def __str__(self) -> str:
        return "the warmth of the service"

    @property
    def readiness(self) -> Readiness:
        """How far it is now."""
        status: Literal["starting", "ready", "failed"] = "starting"
        if self._warm.is_set():
            status = "failed" if self._problems else "ready"
        return Readiness(status, self._engine.networks.loaded(), tuple(self._problems))

    def close(self) -> None:
        """Stop; what is being loaded is loaded to its end. May be called again."""
        self._closed = True
        self._stop.set()
        self._ticket.cancel()
        self._thread.join()

    def _run(self) -> None:
        for info in self._engine.library.collections():
            self._try(info.name)
        self._warm.set()
        if self._preload:
            return
        while not self._stop.wait(min(LOOK_EVERY, self._idle)):
            self._engine.networks.unload_idle(self._idle)

    def _try(self, name: str) -> None:
        """Search a collection once, and with `preload` say something; what fails is a problem."""
        try:
            for query in ("a picture", "two of them"):
                self._engine.search(name, SearchRequest(query=query, limit=1), self._ticket)
            if self._preload:
                checkpoint = self._engine.collections.get(name).checkpoint.name
                blank = [Image.new("RGB", (64, 64), "white")]
                networks = self._engine.networks.for_request(self._ticket)
                networks.captioner(checkpoint).write(blank, "")
                networks.answerer(checkpoint).write(blank, "what is it?")
        except CancelledError:
            return
        except BlipSearchError as error:
            logger.warning("the collection %r cannot be searched yet: %s", name, error)
            self._problems.append(f"collection {name!r}: {error}")
        except Exception as error:
            logger.exception("warming up for the collection %r failed", name)
            self._problems.append(f"collection {name!r}: {error}")
