"""Decoder processes: what one file does to its decoder costs that file, and nothing else."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import fsspec
import numpy as np
import psutil
import pytest
from PIL import Image

from blipsearch.places import Place
from blipsearch.records import ImageFile, KnownFile
from blipsearch.testing import sample_image
from indexer.decode import Moved, Outcome, Prepared, Refused, SameContent, Vanished
from indexer.decoders.looking import Job, Look, Picture, Rules, look
from indexer.decoders.pool import Decoders, Provision
from indexer.decoders.process import DecoderProcess
from indexer.decoders.worker import Answered, Orders
from indexer.plan import Candidate
from tests.data.hostile import photo
from tests.data.troubled_decoders import look_or_fail, names_modules

SIZE = 32
MIB = 1 << 20
ROOT = Path(__file__).parents[3]


def orders(do: Look = look_or_fail, timeout: float = 60.0, most_bytes: int = 256 * MIB) -> Orders:
    rules = Rules(SIZE, Image.Resampling.BICUBIC, 10**8, most_bytes)
    return Orders(do, rules, timeout)


def provision(count: int = 2, decoding: int = 256 * MIB, waiting: int = 64 * MIB) -> Provision:
    return Provision(count, decoding, waiting, 64 * MIB)


def candidates(folder: Path, names: Sequence[str]) -> list[Candidate]:
    found = []
    for name in names:
        size = (folder / name).stat().st_size if (folder / name).is_file() else 0
        place = Place("folder", str(folder), name)
        found.append(Candidate(ImageFile(1, name, size, 0), place, None))
    return found


def outcomes(decoders: Decoders) -> list[Outcome]:
    found = []
    with decoders:
        while (outcome := decoders.next()) is not None:
            found.append(outcome)
    return found


def path_of(outcome: Outcome) -> str:
    return outcome.candidate.file.path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Candidate]]:
    def write_all(*names: str) -> list[Candidate]:
        for number, name in enumerate(names):
            sample_image(number).save(tmp_path / name, "PNG")
        return candidates(tmp_path, names)

    return write_all


Write = Callable[..., list[Candidate]]


def test_outcomes_come_in_the_order_of_their_candidates(write: Write) -> None:
    given = write(*(f"{number}.png" for number in range(100)))

    found = outcomes(Decoders(given, orders(), provision(3)))

    assert [one.candidate for one in found] == given
    assert all(isinstance(one, Prepared) for one in found)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("segfault", "signal 11"),
        ("abort", "signal 6"),
        ("out of memory", "signal 9"),
        ("leave", "exit code 3"),
    ],
)
def test_a_crash_costs_its_file_alone(write: Write, name: str, how: str) -> None:
    given = write("1.png", "2.png", f"{name}.png", "4.png", "5.png")

    found = outcomes(Decoders(given, orders(), provision(1)))

    assert [path_of(one) for one in found] == ["1.png", "2.png", f"{name}.png", "4.png", "5.png"]
    bad = found.pop(2)
    assert bad == Refused(given[2], f"the decoder crashed ({how})", lasting=True)
    assert all(isinstance(one, Prepared) for one in found)


def test_a_hang_costs_its_file_alone(write: Write) -> None:
    given = write("1.png", "2.png", "hang.png", "4.png", "5.png")

    found = outcomes(Decoders(given, orders(timeout=4.0), provision(1)))

    assert len(found) == 5
    (bad,) = [one for one in found if isinstance(one, Refused)]
    assert bad == Refused(given[2], "decoding took longer than 4 s", lasting=True)


def test_work_without_an_end_is_a_hang(write: Write) -> None:
    given = write("1.png", "endless.png", "3.png")

    found = outcomes(Decoders(given, orders(timeout=3.0), provision(1)))

    assert [isinstance(one, Prepared) for one in found] == [True, False, True]
    assert found[1] == Refused(given[1], "decoding took longer than 3 s", lasting=True)


def test_a_decoder_that_hardly_gets_a_core_has_longer(write: Write) -> None:
    given = write("slow.png")
    process = DecoderProcess(orders(timeout=3.0))
    hog = threading.Thread(target=keep_from_work, args=(process.pid, 3.3))
    began = time.monotonic()
    hog.start()
    try:
        process.send([Job(given[0].place, None, "", may_have_moved=False, granted=MIB)])
        said = process.receive()
    finally:
        hog.join()
        process.close()

    assert isinstance(said, Answered)
    assert isinstance(said.answer, Picture)
    assert time.monotonic() - began > 3.0


def keep_from_work(pid: int, seconds: float) -> None:
    """Let a process have a core for a moment and then none, until so many seconds are over."""
    end = time.monotonic() + seconds
    decoder = psutil.Process(pid)
    before = sum(decoder.cpu_times()[:2])
    while sum(decoder.cpu_times()[:2]) - before < 0.1:
        time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(max(0.0, end - time.monotonic()))
    os.kill(pid, signal.SIGCONT)


def test_a_decoder_may_have_all_the_time_in_the_world(write: Write) -> None:
    (found,) = outcomes(Decoders(write("1.png"), orders(timeout=float("inf")), provision()))

    assert isinstance(found, Prepared)


def test_others_go_past_a_file_that_keeps_them_waiting(write: Write) -> None:
    given = write("hang.png", *(f"{number}.png" for number in range(20)))
    room_for_four = provision(2, waiting=4 * 3 * SIZE**2)

    found = outcomes(Decoders(given, orders(timeout=6.0), room_for_four))

    assert [path_of(one) for one in found] == [
        *(f"{number}.png" for number in range(20)),
        "hang.png",
    ]


def test_a_fault_of_the_program_is_said_and_costs_its_file_alone(write: Write) -> None:
    given = write("1.png", "fault.png", "3.png")

    found = outcomes(Decoders(given, orders(), provision(1)))

    assert found[1] == Refused(
        given[1], "the decoder failed (RuntimeError: a fault of the program's own)", lasting=True
    )
    assert isinstance(found[2], Prepared)


def test_a_process_that_keeps_memory_is_replaced(write: Write) -> None:
    given = write("hoard.png")
    process = DecoderProcess(orders())
    process.send([Job(given[0].place, None, "", may_have_moved=False, granted=MIB)])

    said = process.receive()

    process.close()
    assert isinstance(said, Answered)
    assert said.tired


def test_a_decoder_loads_neither_torch_nor_the_catalog(write: Write) -> None:
    given = write("1.png")

    (found,) = outcomes(Decoders(given, orders(names_modules), provision()))

    assert isinstance(found, Refused)
    pid, *packages = found.reason.split()
    assert int(pid) != os.getpid()
    assert {"PIL", "numpy", "blipsearch"} <= set(packages)
    assert not {"torch", "transformers", "sqlalchemy", "faiss", "pytest"} & set(packages)


def test_a_decoder_that_is_not_isolated_does_the_same(write: Write) -> None:
    given = write("1.png", "2.png", "3.png")
    here = Provision(2, 256 * MIB, 64 * MIB, 64 * MIB, isolated=False)

    found = outcomes(Decoders(given, orders(), here))

    assert [path_of(one) for one in found] == ["1.png", "2.png", "3.png"]


def test_pictures_larger_than_a_share_are_decoded_alone_and_in_order(tmp_path: Path) -> None:
    names = [f"{number}.webp" for number in range(6)]
    for number, name in enumerate(names):
        photo(700 if number % 2 else 70, 500, number).save(tmp_path / name)
    needed = 700 * 500 * 17

    given = candidates(tmp_path, names)
    found = outcomes(Decoders(given, orders(most_bytes=2 * needed), provision(4, 2 * needed)))

    assert [path_of(one) for one in found] == names
    assert all(isinstance(one, Prepared) for one in found)


def test_a_picture_larger_than_all_shares_is_refused_with_a_hint(tmp_path: Path) -> None:
    photo(700, 500).save(tmp_path / "large.webp")

    (found,) = outcomes(
        Decoders(candidates(tmp_path, ["large.webp"]), orders(most_bytes=4 * MIB), provision())
    )

    assert isinstance(found, Refused)
    assert found.reason.startswith("decoding 700 x 500 pixels of WEBP would take ")
    assert found.reason.endswith("raise --memory")


def test_a_new_file_with_the_bytes_of_a_missing_image_is_claimed_once(write: Write) -> None:
    given = write("1.png", "2.png")
    (given_again,) = candidates(Path(given[0].place.root), ["1.png"])
    left = {7}

    def ask(_sha256: str) -> int | None:
        return left.pop() if left else None

    found = outcomes(Decoders([*given, given_again], orders(), provision(1), ask))

    assert found[0] == Moved(given[0], 7)
    assert isinstance(found[1], Prepared)
    assert isinstance(found[2], Prepared)


def test_known_bytes_are_not_decoded_and_lost_files_have_vanished(
    write: Write, tmp_path: Path
) -> None:
    (new,) = write("1.png")
    (decoded,) = outcomes(Decoders([new], orders(), provision()))
    assert isinstance(decoded, Prepared)
    known = KnownFile(7, 1, 1, decoded.picture.sha256, "indexed")
    touched = Candidate(new.file, new.place, known)
    (gone,) = candidates(tmp_path, ["gone.png"])

    found = outcomes(Decoders([touched, gone], orders(), provision()))

    assert found == [SameContent(touched), Vanished(gone)]


def test_the_square_is_what_the_whole_picture_is_resized_to(write: Write, tmp_path: Path) -> None:
    (given,) = write("1.png")

    (found,) = outcomes(Decoders([given], orders(look), provision()))

    assert isinstance(found, Prepared)
    with Image.open(tmp_path / "1.png") as whole:
        expected = np.asarray(whole.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(found.picture.square, expected)


def test_members_of_an_archive_are_decoded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("below/1.png", png(1))
    place = Place("archive", str(tmp_path / "photos.zip"), "below/1.png")

    (found,) = outcomes(
        Decoders([Candidate(ImageFile(1, place.path, 9, 9), place, None)], orders(), provision())
    )

    assert isinstance(found, Prepared)


def test_files_from_elsewhere_are_fetched_ahead_in_order_and_within_their_bytes() -> None:
    names = [f"{number}.png" for number in range(100)]
    for number, name in enumerate(names):
        with fsspec.open(f"memory://elsewhere/{name}", "wb") as file:
            file.write(png(number))
    given = [
        Candidate(ImageFile(1, name, size, 0), Place("remote", "memory://elsewhere", name), None)
        for name, size in zip([*names, "gone.png"], [0, 500] * 51, strict=False)
    ]
    little = Provision(2, 256 * MIB, 64 * MIB, fetching=2000)

    found = outcomes(Decoders(given, orders(), little))

    assert [one.candidate for one in found] == given
    assert isinstance(found.pop(), Vanished)
    assert all(isinstance(one, Prepared) for one in found)


def png(number: int) -> bytes:
    written = io.BytesIO()
    sample_image(number).save(written, "PNG")
    return written.getvalue()


def test_leaving_early_ends_decoders_that_hang(write: Write) -> None:
    given = write("hang 1.png", "hang 2.png", "hang 3.png")
    decoders = Decoders(given, orders(), provision(2))

    with decoders:
        busy = wait_for(lambda: list(decoders._desk.processes), 2)

    assert_ended([process.pid for process in busy])


def test_ctrl_c_does_not_reach_decoders(write: Write) -> None:
    given = write(*(f"{number}.png" for number in range(40)))

    # With room for four, it is at work until the first are taken.
    with Decoders(given, orders(), provision(1, waiting=4 * 3 * SIZE**2)) as decoders:
        (process,) = wait_for(lambda: list(decoders._desk.processes), 1)
        for _ in range(3):
            os.kill(process.pid, signal.SIGINT)
        found = [decoders.next() for _ in given]

    assert all(isinstance(one, Prepared) for one in found)


KILLED = """
import sys
from blipsearch.places import Place
from indexer.decoders.looking import Job, Rules
from indexer.decoders.process import DecoderProcess
from indexer.decoders.worker import Orders
from tests.data.troubled_decoders import waits_for_good

processes = [DecoderProcess(Orders(waits_for_good, Rules(32, 3, 10**8, 0), 600.0)) for _ in "12"]
for number, process in enumerate(processes):
    process.send([Job(Place("folder", sys.argv[1], f"{number}.png"), None, "", False, 0)])
processes[0].receive()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_decoder_outlives_a_run_that_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    try:
        files = wait_for(lambda: list(tmp_path.glob("*.png.*")), 2)
        nursery = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    finally:
        process.send_signal(how)
        process.wait()

    assert_ended([*(int(file.suffix[1:]) for file in files), *nursery])


def wait_for(look_up: Callable[[], list], count: int) -> list:  # type: ignore[type-arg]
    """Wait until there are as many as that."""
    until = time.monotonic() + 240
    while len(found := look_up()) < count:
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def assert_ended(pids: Sequence[int]) -> None:
    """Wait for processes to be gone, or to be nothing but an entry in the system's table."""
    until = time.monotonic() + 240
    left = set(pids)
    while left:
        left = {pid for pid in left if psutil.pid_exists(pid) and is_running(pid)}
        assert time.monotonic() < until, left
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
