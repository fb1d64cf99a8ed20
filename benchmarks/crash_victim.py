"""The command line in a process that is to be killed, by itself at an exact moment if it is told.

    python -m benchmarks.crash_victim ORDERS.json index ...

What runs is the real `blipsearch`, watched from within by means that Python and torch offer for it:
Python's audit events say when a file of the library is opened or renamed, torch's module hooks say
how many pictures were embedded.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect")
"""What the audit events are called that count: a rename comes after its file was synced."""


@dataclass(frozen=True)
class Orders:
    """What the process is told; `place` is a folder for what it tells itself.

    `started` there holds the process's id, `embedded` a number a line, `events` how many of each
    event there were once the command ended by itself. At the `number`th `event` it is killed.
    """

    library: str
    place: str
    event: str = ""
    number: int = 0

    @property
    def started(self) -> Path:
        """Written, whole, before anything else is done."""
        return Path(self.place) / "started"

    @property
    def embedded(self) -> Path:
        """How many pictures went through the vision tower, a batch a line."""
        return Path(self.place) / "embedded"

    @property
    def events(self) -> Path:
        """Written at the command's own end, and only then."""
        return Path(self.place) / "events"

    def save(self, path: Path) -> None:
        """Write the orders for `load`."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Orders":
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))


def main(arguments: Sequence[str]) -> None:
    """Follow the orders in the first argument's file; the others are the command line."""
    orders = Orders.load(Path(arguments[0]))
    with suppress(PermissionError):
        os.setsid()  # whatever it starts can be told by its session, even when it is gone
    counts = _count_events(orders)
    _count_embedded(orders)
    unfinished = orders.started.with_suffix(".tmp")
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(orders.started)

    from blipsearch.cli import run  # noqa: PLC0415  # loads what it runs

    try:
        run(list(arguments[1:]))
    finally:
        orders.events.write_text(json.dumps(counts))


def _count_events(orders: Orders) -> Counter[str]:
    """Count the library's events from now on, and be killed at the one that was ordered."""
    victim = os.getpid()
    counts: Counter[str] = Counter()

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or orders.library not in str(arguments[0]) or os.getpid() != victim:
            return
        counts[event] += 1
        if (event, counts[event]) == (orders.event, orders.number):
            os.kill(victim, signal.SIGKILL)

    sys.addaudithook(see)
    return counts


def _count_embedded(orders: Orders) -> None:
    from torch.nn.modules.module import register_module_forward_pre_hook  # noqa: PLC0415  # heavy

    file = os.open(orders.embedded, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def see(module: Any, inputs: tuple[Any, ...]) -> None:  # noqa: ANN401  # torch's own types are as wide
        if type(module).__name__ == "BlipVisionEmbeddings":
            os.write(file, b"%d\n" % len(inputs[0]))

    register_module_forward_pre_hook(see)


if __name__ == "__main__":
    main(sys.argv[1:])
