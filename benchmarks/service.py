"""Measures the service under load: what batching brings, and what overload does to it.

    python -m benchmarks.service [--seconds 6] [--rounds 2] [--overload 60] [--library DIR]

10,000 picture-book scenes and the built-in checkpoint; callers in another process, each waiting for
its answer before it asks again. The same service runs three times and is measured in turns: as it
comes; with batching off (one request after the other, on all cores); and with batching off but as
many requests at a time as there are cores. No answer is remembered and no two questions are equal.
Then requests come at 10 times the capacity that was measured, whether or not others were answered.
Prints tables and writes them to benchmarks/results/ with a figure.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from benchmarks.service_figure import draw_overload
from benchmarks.service_load import Answers, Load, Request, measured
from blipsearch.blip import BlipRetriever
from blipsearch.errors import CollectionNotFoundError
from blipsearch.library import Library
from blipsearch.picturebook import COLOURS, KINDS, RELATIONS, SETTINGS, gallery, render
from indexer.indexing import index_collection
from indexer.records import IndexOptions

RESULTS = Path(__file__).parent / "results"
SCENES, SEED, PICTURE_SIZE = 10_000, 7, 224
COLLECTION = "scenes"
ROUTE = f"/v1/collections/{COLLECTION}"

MODES = {
    "batching": {},
    "off, one at a time": {"BATCHING": "0"},
    "off, one a core": {"BATCHING": "0", "THREADS": str(os.cpu_count())},
}
CALLERS = (1, 4, 16, 64)
TIMES_CAPACITY = 10
BOUND_SECONDS = 5.0
"""The time limit of a request in the overload: what is answered is answered within it."""
RECOVERY_SECONDS = 2.0


def workloads(count: int, rng: random.Random) -> dict[str, list[Request]]:
    """Questions of each kind, no two alike."""

    def thing() -> str:
        return f"a {rng.choice(sorted(COLOURS))} {rng.choice(sorted(KINDS))}"

    def sentence(number: int) -> str:
        place = rng.choice(sorted(SETTINGS))
        return f"{thing()} {rng.choice(sorted(RELATIONS))} {thing()} {place} {number}"

    sentences = [sentence(number) for number in range(count)]
    images = [f"{ROUTE}/images/{rng.randint(1, SCENES)}" for _ in range(count)]
    return {
        "search, 64 candidates judged": [
            Request(f"{ROUTE}/search", {"query": text}) for text in sentences
        ],
        "search by cosine": [
            Request(f"{ROUTE}/search", {"query": text, "rerank": False}) for text in sentences
        ],
        "caption": [Request(f"{image}/caption", {}) for image in images],
        "answer": [
            Request(f"{image}/answer", {"question": f"what is {rng.choice(sorted(RELATIONS))} it?"})
            for image in images
        ],
    }


class Server:
    """A running service, and what it takes of the machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

    @property
    def memory(self) -> int:
        """Resident bytes now."""
        return int(self._process.memory_info().rss)


@contextmanager
def serving(library: Path, settings: dict[str, str], log: Path) -> Iterator[Server]:
    """Run a service with these settings, warm and with nothing remembered."""
    own = {"CACHE": "0", "PRELOAD": "1", "LOG_FORMAT": "json"} | settings
    environment = {f"BLIPSEARCH_SERVICE_{name}": value for name, value in own.items()}
    command = [
        sys.executable,
        "-m",
        "blipsearch",
        "serve",
        "--library",
        str(library),
        "--port",
        "0",
    ]
    with log.open("wb") as written:
        process = subprocess.Popen(  # noqa: S603  # our own command
            command, env=os.environ | environment, stdout=written, stderr=written
        )
    try:
        yield Server(process, _ready_port(process, log))
    finally:
        process.terminate()
        process.wait(60)


def _ready_port(process: subprocess.Popen[bytes], log: Path) -> int:
    while process.poll() is None:
        for line in log.read_text().splitlines():
            if '"serving ' in line:
                port = int(json.loads(line)["event"].rsplit(":", 1)[1])
                try:
                    with urlopen(f"http://127.0.0.1:{port}/readyz"):
                        return port
                except URLError:  # not listening yet, or not ready
                    break
        time.sleep(0.2)
    raise SystemExit(f"the service did not start:\n{log.read_text()}")


def make_library(directory: Path, scenes: int = SCENES) -> None:
    """Draw and index the scenes, unless they are there."""
    pictures = directory / "pictures"
    retriever = BlipRetriever.from_pretrained("builtin")
    with Library.open(directory, create=True) as library:
        try:
            collection = library.collection(COLLECTION)
        except CollectionNotFoundError:
            collection = library.create_collection(COLLECTION, retriever.identity)
        with collection:
            if collection.info.indexed >= scenes:
                return
            print(f"drawing and indexing {scenes} scenes", flush=True)
            pictures.mkdir(exist_ok=True)
            for number, scene in enumerate(gallery(scenes, SEED)):
                path = pictures / f"scene-{number:05}.png"
                if not path.exists():
                    render(scene, PICTURE_SIZE).save(path, compress_level=1)
            index_collection(collection, retriever, [pictures], IndexOptions(batch_size=32))


def compare(
    servers: dict[str, Server], requests: dict[str, list[Request]], seconds: float, rounds: int
) -> list[dict[str, object]]:
    """One row for each workload, number of callers and mode: the best of the rounds."""
    rows: list[dict[str, object]] = []
    for workload, asked in requests.items():
        for callers in CALLERS:
            best: dict[str, Answers] = {}
            for _ in range(rounds):
                for mode, server in servers.items():  # in turns: a busy machine is fair to all
                    answers = measured(Load(server.port, asked, callers, seconds))
                    if mode not in best or answers.throughput > best[mode].throughput:
                        best[mode] = answers
            for mode, answers in best.items():
                row = {"workload": workload, "callers": callers, "mode": mode} | _figures(answers)
                rows.append(row)
                print("|", " | ".join(str(value) for value in row.values()), "|", flush=True)
    return rows


def _figures(answers: Answers) -> dict[str, object]:
    return {
        "per second": round(answers.throughput, 1),
        "p50 ms": round(answers.percentile(0.5)),
        "p95 ms": round(answers.percentile(0.95)),
        "p99 ms": round(answers.percentile(0.99)),
        "statuses": json.dumps(answers.statuses),
    }


def overload(
    library: Path, asked: Sequence[Request], capacity: float, seconds: float, folder: Path
) -> dict[str, object]:
    """Ask for ten times as much as the service can, and look at what it did then and after."""
    settings = {"REQUEST_SECONDS": str(BOUND_SECONDS), "CACHE": "256"}
    with serving(library, settings, folder / "overload.log") as server:
        before = measured(Load(server.port, asked, 1, 3))
        memory = [server.memory]
        rate = TIMES_CAPACITY * capacity
        load = Load(server.port, asked, callers=512, seconds=seconds, rate=rate)
        with _sampled(server, memory):
            during = measured(load)
        time.sleep(RECOVERY_SECONDS)
        after = measured(Load(server.port, asked, 1, 3))
    half = len(memory) // 2
    draw_overload(during, memory, RESULTS / "service-overload.png")
    return {
        "asked a second": round(rate),
        "sent": len(during.rows),
        "not sent, for want of a connection": during.unsent,
        "statuses": json.dumps(during.statuses),
        "answered a second": round(during.throughput, 1),
        "p99 ms of the answered": round(during.percentile(0.99)),
        "bound ms": round(1000 * BOUND_SECONDS),
        "memory MB before, in the middle, at the end": [
            round(memory[at] / 1e6) for at in (0, half, -1)
        ],
        "first answer after the start ms": round(1000 * before.rows[0][2]),
        "p50 ms of a single caller before": round(before.percentile(0.5)),
        f"and {RECOVERY_SECONDS:g} s after": round(after.percentile(0.5)),
    }


@contextmanager
def _sampled(server: Server, memory: list[int]) -> Iterator[None]:
    """Note the server's memory twice a second during the block."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.5):
            memory.append(server.memory)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="The service under load.")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--overload", type=float, default=60.0, help="seconds; 0 leaves it out")
    parser.add_argument("--library", type=Path, help="where the scenes are, or are to be kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        library = arguments.library or folder / "library"
        make_library(library)
        requests = workloads(20_000, random.Random(1))
        with ExitStack() as stack:
            servers = {
                mode: stack.enter_context(serving(library, settings, folder / f"{number}.log"))
                for number, (mode, settings) in enumerate(MODES.items())
            }
            rows = compare(servers, requests, arguments.seconds, arguments.rounds)
        search = next(iter(requests))
        capacity = max(
            float(str(row["per second"]))
            for row in rows
            if row["workload"] == search and row["mode"] == "batching"
        )
        report: dict[str, object] = {"rows": rows, "ratios": ratios(rows)}
        if arguments.overload:
            report["overload"] = overload(
                library, requests[search], capacity, arguments.overload, folder
            )
    write(report)


def ratios(rows: Sequence[dict[str, object]]) -> dict[str, dict[str, float]]:
    """How many times the throughput batching has at 16 callers, by workload and rival."""
    found = {
        (row["workload"], row["mode"]): float(str(row["per second"]))
        for row in rows
        if row["callers"] == 16
    }
    own, *rivals = MODES
    return {
        str(workload): {
            rival: round(found[workload, own] / found[workload, rival], 2) for rival in rivals
        }
        for workload in dict.fromkeys(workload for workload, _ in found)
    }


def write(report: dict[str, object]) -> None:
    """Write the results, and print what they come to."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "service.json").write_text(json.dumps(report, indent=2) + "\n")
    text = RESULTS / "service.md"
    text.write_text(as_markdown(report))
    print(text.read_text())


def as_markdown(report: dict[str, object]) -> str:
    """The tables: throughput and times, ratios at 16 callers, and the overload."""
    rows, by_workload = report["rows"], report["ratios"]
    assert isinstance(rows, list)
    assert isinstance(by_workload, dict)
    lines = ["# The service under load", "", "`python -m benchmarks.service`", ""]
    lines += _table([list(rows[0]), *(list(row.values()) for row in rows)])
    lines += ["", "Times the throughput at 16 callers:", ""]
    rivals = [mode for mode in MODES if mode != next(iter(MODES))]
    lines += _table(
        [["workload", *rivals]]
        + [[name, *(found[rival] for rival in rivals)] for name, found in by_workload.items()]
    )
    if isinstance(report.get("overload"), dict):
        about = report["overload"]
        assert isinstance(about, dict)
        lines += ["", f"At {TIMES_CAPACITY} times its capacity:", ""]
        lines += _table([["", ""], *([name, value] for name, value in about.items())])
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Sequence[object]]) -> list[str]:
    written = ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
    return [written[0], "|" + "---|" * len(rows[0]), *written[1:]]


if __name__ == "__main__":
    main()
