"""A reader of the docs: follows a page block by block, in a place of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.readme import ROOT, Block, Step, assert_shown

FOLLOWED = ("console", "python", "output")
"""The languages of blocks that a reader does something with; `output` is what Python printed."""
OF_THE_REPOSITORY = "python -m pytest"
"""How commands begin that run at the root of the repository."""
CHECKPOINTS = {
    "blip-itm-base-coco": "itm",
    "blip-image-captioning-base": "caption",
    "blip-vqa-base": "vqa",
}
"""Directories that pages name, and the tiny checkpoints in them."""
SERVICE_PORT = "8000"
"""The port that pages name; each reader has a free one in its place."""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Reader:
    """Somebody with a directory, an environment, a shell and a Python session.

    A Python block sees what the ones before it on the page left behind. A command that ends in `&`
    is a server, which is stopped at the end.
    """

    place: Path
    environment: Mapping[str, str]
    port: int = field(default_factory=_free_port)
    _servers: list[subprocess.Popen[str]] = field(default_factory=list)
    _python: subprocess.Popen[str] | None = None
    _printed: str = ""

    def follow(self, block: Block) -> None:
        """Do what a block says, and assert that it goes as the page shows."""
        if block.language == "console":
            for step in block.steps:
                self.run(step)
        elif block.language == "python":
            self._printed = self.evaluate(block.text)
        elif block.language == "output":
            assert_shown(tuple(block.text.splitlines()), self._printed)

    def run(self, step: Step) -> None:
        """Run one command and compare what it prints."""
        command = step.command.replace(SERVICE_PORT, str(self.port))
        if command.endswith("&"):
            self._servers.append(self._started(command.removesuffix("&")))
            return
        finished = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT if command.startswith(OF_THE_REPOSITORY) else self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"{command}\n{finished.stdout}{finished.stderr}"
        assert_shown(step.shown, finished.stdout + finished.stderr)

    def evaluate(self, code: str) -> str:
        """Run Python code after what ran before, and return what it printed."""
        if self._python is None:
            self._python = self._session()
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        asked = json.dumps(code.replace(SERVICE_PORT, str(self.port)))
        self._python.stdin.write(f"{asked}\n")
        self._python.stdin.flush()
        answer = json.loads(self._python.stdout.readline())
        assert not answer["error"], f"{code}\n{answer['error']}"
        return str(answer["printed"])

    def leave(self) -> None:
        """Stop all that was started; what a block leaves open would warn here."""
        complaints = ""
        if self._python is not None:
            _, complaints = self._python.communicate(timeout=120)
            self._python = None
        for server in self._servers:
            server.send_signal(signal.SIGTERM)
        for server in self._servers:
            server.communicate(timeout=120)
        self._servers.clear()
        assert "Warning" not in complaints, complaints

    def _started(self, command: str) -> subprocess.Popen[str]:
        """Start a server and return once it says that it serves."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.place,
            env=self.environment,
            text=True,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert "serving" in process.stderr.readline()
        return process

    def _session(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["session"],
            cwd=self.place,
            env=self.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@contextmanager
def reading(place: Path, golden: Path, commands: Path) -> Iterator[Reader]:
    """A reader at a place, with tiny checkpoints instead of those on the Hub.

    `commands` is where tests.warm made the commands.
    """
    environment = os.environ | {
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place),
        "BLIPSEARCH_LIBRARY": str(place / "library"),
        "BLIPSEARCH_CHECKPOINT": str(golden / "itm"),
        "BLIPSEARCH_CAPTION_CHECKPOINT": str(golden / "caption"),
        "BLIPSEARCH_ANSWER_CHECKPOINT": str(golden / "vqa"),
    }
    share = place / ".local" / "share"
    share.mkdir(parents=True)
    (share / "blipsearch").symlink_to(place / "library")  # where it is by default
    reader = Reader(place, environment)
    try:
        yield reader
    finally:
        reader.leave()
