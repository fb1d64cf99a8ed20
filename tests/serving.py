"""A real `blipsearch serve` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2 as httpx

START_SECONDS = 240
"""Far more than a start takes, but not than one on a machine that does much else."""
STOP_SECONDS = 120


@dataclass
class Serving:
    """A running service: where it is, its process, and what it wrote to its log so far."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def records(self) -> list[dict[str, Any]]:
        """The log's records."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        # Once it has finished, uvicorn dies of the signal that asked it to.
        assert self.process.wait(STOP_SECONDS) == -signal.SIGTERM


@contextmanager
def serving(
    library: Path, log: Path, *options: object, settings: Mapping[str, object] | None = None
) -> Iterator[Serving]:
    """Serve a library on a free port, and wait until it answers; it is stopped at the end.

    `settings` are those of ServiceSettings, by name.
    """
    given = {
        f"BLIPSEARCH_SERVICE_{name.upper()}": str(value) for name, value in (settings or {}).items()
    }
    command = [sys.executable, "-m", "blipsearch", "serve", "--library", str(library)]
    command += ["--port", "0", "--device", "cpu", "--log-format", "json", *map(str, options)]
    with log.open("wb") as written:
        process = _started(command, os.environ | given, written)
    try:
        yield Serving(_url(process, log), process, log)
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def wait_until_ready(url: str) -> None:
    """Wait until a search would be answered at once."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(f"{url}/readyz"):
        assert time.monotonic() < deadline, "the service is not getting ready"
        time.sleep(0.05)


def _started(
    command: list[str], environment: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"serving ' in line:
                url: str = json.loads(line)["event"].rsplit(" ", 1)[1]
                if _answers(f"{url}/healthz"):
                    return url
        time.sleep(0.05)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
