"""Measures what the SDK costs: importing it, and calling a service with it.

    python -m benchmarks.sdk [--python PYTHON] [--calls 300]

Importing: CPU time of a fresh interpreter, alone, with `httpx2` and `pydantic`, and with
`from blipsearch import Client`, in turns. `--python` is the interpreter of a venv that has nothing
but `pip install blipsearch` in it; a development venv takes longer, since pydantic looks through
everything that is installed.

Calling: the same search, whose answer the service remembers, by httpx2 alone (the answer read as
JSON) and by `Client.search` (read as typed hits), in turns, each on one connection. Prints medians,
and at last the ratio of the two.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from benchmarks.service import COLLECTION, make_library, serving
from blipsearch import Client

ROUNDS = 15
SCENES = 300
QUERY = "a dog right of a tree"
BODY = {"query": QUERY, "limit": 20}

STATEMENTS = {
    "the interpreter alone": "pass",
    "httpx2 and pydantic": "import httpx2, pydantic; from pydantic import BaseModel",
    "from blipsearch import Client": "from blipsearch import Client",
}


def cpu_seconds(python: str, statement: str) -> float:
    """The CPU time of a fresh interpreter that runs a statement."""
    script = f"{statement}\nimport time; print(time.process_time())"
    command = [python, "-I", "-c", script]
    finished = subprocess.run(  # noqa: S603  # our own command
        command, capture_output=True, text=True, check=True
    )
    return float(finished.stdout)


def importing(python: str) -> dict[str, float]:
    """Median CPU seconds by what is imported."""
    seconds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            seconds[name].append(cpu_seconds(python, statement))
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def calling(url: str, calls: int) -> dict[str, float]:
    """Median milliseconds of a call by who makes it."""
    route = f"{url}/v1/collections/{COLLECTION}/search"
    with httpx2.Client() as raw, Client(url, collection=COLLECTION) as client:

        def by_httpx2() -> int:
            return len(raw.post(route, json=BODY).raise_for_status().json()["hits"])

        def by_the_sdk() -> int:
            return len(client.search(QUERY, limit=20))

        ways: dict[str, Callable[[], int]] = {
            "httpx2": by_httpx2,
            "Client.search": by_the_sdk,
        }
        client.wait_until_ready()
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(calls):
            for name, way in ways.items():
                began = time.perf_counter()
                assert way() == 20
                took[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(times) for name, times in took.items()}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args()
    for name, seconds in importing(given.python).items():
        print(f"{seconds:7.3f} s of CPU  {name}")
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "library"
        make_library(library, SCENES)
        settings = {"RATE_LIMIT": "", "CACHE": "256"}
        with serving(library, settings, Path(directory) / "log") as server:
            took = calling(f"http://127.0.0.1:{server.port}", given.calls)
    for name, milliseconds in took.items():
        print(f"{milliseconds:7.2f} ms a call  {name}")
    ratio = took["Client.search"] / took["httpx2"]
    print(f"{ratio:.2f} times the time of httpx2 alone")


if __name__ == "__main__":
    main()
