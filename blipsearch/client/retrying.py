"""When a call is sent again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

from httpx2 import (
    ConnectError,
    ConnectTimeout,
    ReadError,
    RemoteProtocolError,
    RequestError,
    Response,
    WriteError,
)

from blipsearch.client.answers import retry_after

__all__ = ["Retries"]

STATUSES = frozenset({429, 502, 503, 504})
"""What may be otherwise in a moment."""
BREAKS = (ConnectError, ConnectTimeout, ReadError, WriteError, RemoteProtocolError)
"""How connections break. A service that does not answer in time is not asked once more: it may
still be at it."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is sent again, `times` at most, and how long that waits.

    The wait is random (so that those who were refused together do not come back together), below a
    bound that begins with `first` seconds, doubles each time, and is never above `longest`. Where
    the service says how long to wait, it is at least that; where that is above `longest`, the call
    is not sent again.
    """

    times: int = 2
    first: float = 0.5
    longest: float = 30.0

    def pause(self, sent: int, outcome: Response | RequestError) -> float | None:
        """Seconds to wait after the call was sent `sent` times; None: what came of it stands."""
        if sent > self.times:
            return None
        said = 0.0
        if isinstance(outcome, Response):
            if outcome.status_code not in STATUSES:
                return None
            said = retry_after(outcome) or 0.0
        elif not isinstance(outcome, BREAKS):
            return None
        if said > self.longest:
            return None
        bound = min(self.longest, self.first * 2.0 ** min(sent - 1, 30))
        return said + bound * random.random()  # noqa: S311  # nothing to guess here
