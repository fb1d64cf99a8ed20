"""Starts the command line in processes of its own, and kills them."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.crash_victim import Orders

PLAIN = (sys.executable, "-m", "benchmarks.crash_victim")
"""The command before the orders that starts a fresh interpreter."""

SAID_NOTHING = 143
"""What a command ends with where the process that it stands for told it no code."""
MOST_SECONDS = 240.0
"""How long a run may take, however slow the machine is."""
GONE_SECONDS = 60.0
"""How long what a killed process started may outlive it."""
_LOOK_SECONDS = 0.0005


@dataclass(frozen=True)
class Moment:
    """When a process is killed: the `number`th time that something happens, `seconds` after it.

    It is an audit event of crash_victim, `rows` indexed as another process sees them, or a `growth`
    of SQLite's log, which is within a transaction; `start` happens once.
    """

    what: Literal["start", "rows", "growth"] | str  # noqa: PYI051  # the special ones, for readers
    number: int = 1
    seconds: float = 0.0

    def __str__(self) -> str:
        later = f" and {1000 * self.seconds:.1f} ms" if self.seconds else ""
        return f"{self.what} {self.number}{later}"


@dataclass(frozen=True)
class Ended:
    """How a process ended. `finished` says whether by itself; `events` are counted only then."""

    code: int
    out: str
    err: str
    finished: bool
    seconds: float
    embedded: tuple[int, ...]
    left_behind: tuple[str, ...] = ()
    events: Mapping[str, int] = field(default_factory=dict)


class Processes:
    """Runs `blipsearch` on one library, in one process after the other.

    `command` is what comes before the orders and the arguments, `place` a folder for what a process
    tells and what it prints, as `out` and `err`, `environment` what it sees.
    """

    def __init__(
        self, library: Path, place: Path, environment: Mapping[str, str], command: Sequence[str]
    ) -> None:
        self.library = library
        self.place = place
        self._environment = dict(environment)
        self._command = tuple(command)

    def run(self, arguments: Sequence[object], moment: Moment | None = None) -> Ended:
        """Run a command line to its end, or to the moment it is killed."""
        if moment is None:
            return self._run(arguments, Orders(*self._about), None)
        if moment.what not in {"start", "rows", "growth"}:
            return self._run(arguments, Orders(*self._about, moment.what, moment.number), None)
        return self.kill_after(arguments, lambda victim: self._wait_for(moment, victim))

    def kill_after(self, arguments: Sequence[object], wait: Callable[[int], object]) -> Ended:
        """Run a command line, and kill it once `wait`, given its process id, is over."""
        return self._run(arguments, Orders(*self._about), wait)

    @property
    def _about(self) -> tuple[str, str]:
        return str(self.library), str(self.place)

    def _run(
        self, arguments: Sequence[object], orders: Orders, wait: Callable[[int], object] | None
    ) -> Ended:
        self.place.mkdir(parents=True, exist_ok=True)
        for path in (orders.started, orders.embedded, orders.events):
            path.unlink(missing_ok=True)
        orders.save(self.place / "orders")
        began = time.monotonic()
        with (self.place / "out").open("wb") as out, (self.place / "err").open("wb") as err:
            process = subprocess.Popen(  # noqa: S603  # our own command
                [*self._command, str(self.place / "orders"), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environment,
            )
            with process:
                victim = self._started(process, orders)
                try:
                    if wait is not None:
                        wait(victim)
                finally:
                    if wait is not None:
                        with suppress(ProcessLookupError):
                            os.kill(victim, signal.SIGKILL)
                code = process.wait(MOST_SECONDS)
        return self._ended(code, time.monotonic() - began, orders, victim)

    def _ended(self, code: int, seconds: float, orders: Orders, victim: int) -> Ended:
        # One that was killed on its way out had told of its events already.
        was_killed = code in {-signal.SIGKILL, SAID_NOTHING}
        finished = not was_killed and orders.events.exists() and bool(orders.events.read_text())
        return Ended(
            code=code,
            out=(self.place / "out").read_text(),
            err=(self.place / "err").read_text(errors="replace"),
            finished=finished,
            seconds=seconds,
            embedded=tuple(int(line) for line in orders.embedded.read_text().split()),
            left_behind=left_behind(victim),
            events=json.loads(orders.events.read_text()) if finished else {},
        )

    def _started(self, process: "subprocess.Popen[bytes]", orders: Orders) -> int:
        """Wait until the process that is to be killed has begun; returns its id."""
        end = time.monotonic() + MOST_SECONDS
        while not orders.started.exists():
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise RuntimeError(f"nothing began: {(self.place / 'err').read_text()}")
            time.sleep(_LOOK_SECONDS)
        return int(orders.started.read_text())

    def _wait_for(self, moment: Moment, victim: int) -> None:
        """Return when it is time, or when the process ended before."""
        seen, before = 0, self._log_bytes()
        end = time.monotonic() + MOST_SECONDS
        while moment.what != "start" and seen < moment.number and time.monotonic() < end:
            if not is_alive(victim):
                return
            if moment.what == "rows":
                seen = indexed_rows(self.library)
            else:
                size = self._log_bytes()
                seen += size > before
                before = size
            time.sleep(_LOOK_SECONDS)
        end = time.monotonic() + moment.seconds
        while is_alive(victim) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)

    def _log_bytes(self) -> int:
        try:
            return (self.library / "catalog.sqlite-wal").stat().st_size
        except FileNotFoundError:
            return 0


def is_alive(process: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def indexed_rows(library: Path) -> int:
    """How many images another process has committed as indexed; 0 where there is no catalog yet."""
    database = library / "catalog.sqlite"
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT count(*) FROM images WHERE status = 'indexed'")
            return int(found.fetchone()[0])
    except sqlite3.Error:
        return 0


def left_behind(leader: int) -> tuple[str, ...]:
    """The command lines of what a process that ended had started and what did not end with it."""
    end = time.monotonic() + GONE_SECONDS
    while names := _of_session(leader):
        if time.monotonic() > end:
            return names
        time.sleep(0.02)  # a look goes through all processes
    return ()


def _of_session(leader: int) -> tuple[str, ...]:
    names = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess, PermissionError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                names.append(f"{process.pid} {' '.join(process.cmdline())}")
    return tuple(names)


def random_moment(chance: random.Random, usual: Ended, rows: int, pending: int) -> Moment:
    """Some moment of a run with so many pictures to embed, beside so many rows that are there.

    `usual` is a run that was not disturbed; a shorter one has fewer of its events.
    """
    kind = chance.choice(["start", "rows", "rows", "growth", "growth", *sorted(usual.events)])
    if kind == "rows" and pending:
        later = chance.choice((0, 0.002, 0.01))
        return Moment(kind, rows + chance.randint(1, pending), later)
    if kind == "growth":
        return Moment(kind, chance.randint(1, 8), chance.choice((0, 0.0005, 0.005)))
    if kind in usual.events:
        # Each run gives names to a few files, but opens the more of them the more it does.
        share = 1.0 if kind == "os.rename" else min(1.0, (pending + 1) / sum(usual.embedded))
        return Moment(kind, chance.randint(1, max(1, round(share * usual.events[kind]))))
    return Moment("start", 1, chance.uniform(0, usual.seconds))
