"""What decoder processes do to files in tests: they look into them, or crash, hang and grow."""

from __future__ import annotations

import os
import signal
import sys
import time

from indexer.decoders.looking import Answer, Ask, Bad, Job, Rules, look

__all__ = ["look_or_fail", "names_modules", "waits_for_good"]

HOARD: list[bytes] = []


def look_or_fail(job: Job, rules: Rules, ask: Ask) -> Answer:
    """Look into a file, unless its name says to do otherwise."""
    name = job.place.path
    if "segfault" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "abort" in name:
        os.abort()
    if "out of memory" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "leave" in name:
        os._exit(3)
    if "hang" in name:
        time.sleep(3600)
    if "slow" in name:
        work(0.2)
    if "endless" in name:
        work(3600)
    if "hoard" in name:
        HOARD.append(b"x" * (80 << 20))
    if "fault" in name:
        raise RuntimeError("a fault of the program's own")
    return look(job, rules, ask)


def work(seconds: float) -> None:
    """Keep a core busy for so long, not counting while others have it."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def names_modules(_job: Job, _rules: Rules, _ask: Ask) -> Answer:
    """Answer with the packages that the process has loaded, and its process id."""
    packages = sorted({name.partition(".")[0] for name in sys.modules})
    return Bad(f"{os.getpid()} {' '.join(packages)}", lasting=True)


def waits_for_good(job: Job, _rules: Rules, _ask: Ask) -> Answer:
    """Say in a file beside it that work has begun, and never come back."""
    with open(f"{job.place.address}.{os.getpid()}", "w"):  # noqa: PTH123  # a plain str
        time.sleep(3600)
    return Bad("it came back", lasting=True)
