"""What lies between the stages: in order, within bounds, and honest about who waits."""

import threading
import time

import pytest

from blipsearch.places import Place
from blipsearch.records import ImageFile
from indexer.decode import Vanished
from indexer.decoders.lineup import Lineup
from indexer.outbox import Outbox
from indexer.plan import Candidate
from indexer.stopwatch import Doing, Stopwatch


def outcome(number: int) -> Vanished:
    file = ImageFile(1, str(number), 1, 1)
    return Vanished(Candidate(file, Place("folder", "/", file.path), None))


def test_the_line_up_gives_back_in_order_what_comes_in_any() -> None:
    lineup = Lineup([1] * 4, room=4, decoders=1)
    taken = [*lineup.take(), *lineup.take()]
    assert taken == [0, 1, 2, 3]

    for number in (2, 0, 3, 1):
        lineup.put(number, outcome(number))

    assert [lineup.next() for _ in range(5)] == [*(outcome(number) for number in range(4)), None]


def test_small_files_are_handed_out_together_and_large_ones_singly() -> None:
    lineup = Lineup([1000] * 20 + [5 << 20] * 3, room=1000, decoders=1)

    assert [len(lineup.take()) for _ in range(6)] == [16, 4, 1, 1, 1, 0]


def test_of_few_files_every_decoder_gets_some() -> None:
    lineup = Lineup([1000] * 8, room=1000, decoders=4)

    assert len(lineup.take()) == 2


def test_nothing_is_handed_out_while_there_is_no_room() -> None:
    lineup = Lineup([1] * 4, room=2, decoders=1)
    assert [*lineup.take(), *lineup.take()] == [0, 1]
    taken: list[range] = []
    waiting = threading.Thread(target=lambda: taken.append(lineup.take()))
    waiting.start()
    lineup.put(0, outcome(0))
    assert taken == []

    lineup.next()
    waiting.join()

    assert taken == [range(2, 3)]


def test_an_error_of_a_decoders_thread_reaches_who_waits() -> None:
    lineup = Lineup([1] * 4, room=4, decoders=1)
    lineup.fail(OSError("no more processes"))

    with pytest.raises(OSError, match="no more processes"):
        lineup.next()
    assert list(lineup.take()) == []


def test_the_outbox_gives_in_order_and_keeps_senders_waiting_when_it_is_full() -> None:
    outbox: Outbox[str] = Outbox(10, senders=2)
    sent: list[int] = []

    def send(numbers: tuple[int, ...]) -> None:
        for number in numbers:
            outbox.put(number, str(number), 8)
            sent.append(number)
        outbox.end()

    senders = [threading.Thread(target=send, args=(mine,)) for mine in ((0, 2), (1, 3))]
    for sender in senders:
        sender.start()
    while 0 not in sent:
        time.sleep(0.001)
    assert len(sent) <= 2
    got = [outbox.get(10) for _ in range(4)]
    for sender in senders:
        sender.join()

    assert got == ["0", "1", "2", "3"]
    assert outbox.is_done
    assert outbox.get(0) is None


def test_the_outbox_gives_what_there_is_before_an_error() -> None:
    outbox: Outbox[str] = Outbox(10, senders=2)
    outbox.put(0, "first", 1)
    outbox.end(ValueError("broken"))

    assert outbox.get(1) == "first"
    with pytest.raises(ValueError, match="broken"):
        outbox.get(1)


def test_the_network_limits_unless_it_waits() -> None:
    stopwatch = Stopwatch()
    said: list[str] = []
    doings: tuple[tuple[Doing, float], ...] = (
        ("embedding", 0.02),
        ("waiting for pictures", 0.2),
        ("waiting for the disk", 1.0),
    )

    for doing, seconds in doings:
        with stopwatch.timed(doing):
            time.sleep(seconds)
        said.append(stopwatch.limits)

    assert said == ["embedding", "decoding", "writing"]
