"""Kills indexing at random moments, again and again, and looks whether anything was lost.

    python -m benchmarks.crash [--rounds 100] [--seed 0] [--images 60] [--checkpoint builtin]

Each round starts the real command line on the same library in a process of its own and ends it with
SIGKILL: while it makes the library, within a transaction, between syncing and renaming a snapshot
or a file of image states, or at any other moment. Between rounds somebody adds, edits, moves,
copies and deletes pictures. After each, what earlier rounds had committed must be there: the same
ids, the same embeddings. A last run is left alone; then the library must say the same as one that
was made of the same folder in one go.
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crash_compare import Row, differences, lost, rows_of
from benchmarks.crash_folder import WorkedFolder
from benchmarks.crash_process import PLAIN, Ended, Moment, Processes, random_moment

BATCH = 4
WORKED = 0.7
"""The share of the rounds before which somebody works in the folder."""


@dataclass(frozen=True)
class Trial:
    """How many rounds to do, and with what; `arguments` are further ones of `index`.

    A round whose process ended before its moment came is done again, at another moment.
    """

    rounds: int
    seed: int
    images: int
    arguments: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What the rounds came to. `wrong` is empty where all held, else says what did not.

    Of the pictures that were `embedded`, `wasted` are those that a process could not write any more
    when it was killed.
    """

    rounds: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    killed: int = 0
    embedded: int = 0
    wasted: int = 0


class Rounds:
    """Runs over one folder into one library; `outcome` is what was seen."""

    def __init__(
        self, folder: WorkedFolder, processes: Processes, arguments: Sequence[str]
    ) -> None:
        self.outcome = Outcome()
        self._folder = folder
        self._processes = processes
        self._arguments = [
            *("index", folder.root, "--library", processes.library, "--json"),
            *("--device", "cpu", "--batch-size", BATCH, *arguments),
        ]
        self._held: dict[str, int] = {}  # content -> the id that had it first
        self._rows: list[Row] = rows_of(processes.library)

    @property
    def indexed(self) -> int:
        """How many images the library holds."""
        return sum(row.status == "indexed" for row in self._rows)

    @property
    def pending(self) -> int:
        """How many files of the folder it does not hold, or not as they are."""
        held = {(row.path, row.sha256) for row in self._rows if row.status == "indexed"}
        return len(self._folder.contents().items() - held)

    def kill(self, moment: Moment) -> Ended:
        """Run until the moment, and see that nothing that was there is gone."""
        pending = self.pending
        ended = self._processes.run(self._arguments, moment)
        self._look(str(moment), ended, pending)
        return ended

    def finish(self) -> Ended:
        """Run undisturbed."""
        pending = self.pending
        ended = self._processes.run(self._arguments)
        self._look("undisturbed", ended, pending)
        if not ended.finished:
            self.outcome.wrong.append(f"the last run did not end by itself: {ended.err}")
        if self.pending > 1:  # the one that is no picture
            self.outcome.wrong.append(f"{self.pending} files of the folder are not there")
        return ended

    def _look(self, name: str, ended: Ended, pending: int) -> None:
        """Note what a run did, and whatever is not as it must be after it."""
        before, self._rows = self._rows, rows_of(self._processes.library)
        embedded = sum(ended.embedded)
        held = {(row.id, row.sha256) for row in before}
        wasted = embedded - sum(
            (row.id, row.sha256) not in held for row in self._rows if row.sha256
        )
        wrong = [f"it left behind {left}" for left in ended.left_behind]
        if ended.finished and ended.code not in {0, 3}:
            wrong.append(f"exit {ended.code}: {ended.err}")
        if embedded > pending or (ended.finished and wasted):
            wrong.append(f"{embedded} pictures were embedded, {wasted} in vain, of {pending}")
        wrong += lost(before, self._rows, self._folder.contents())
        wrong += self._renumbered()
        outcome = self.outcome
        outcome.wrong += [f"{name}: {trouble}" for trouble in wrong]
        outcome.killed += not ended.finished
        outcome.embedded += embedded
        outcome.wasted += wasted
        state = "ended by itself" if ended.finished else "killed"
        outcome.rounds.append(
            f"{name}: {state} after {ended.seconds:.1f} s, {embedded} embedded, {wasted} in vain, "
            f"{self.indexed} of {len(self._folder.contents())} files indexed"
        )

    def _renumbered(self) -> list[str]:
        """Contents whose image has another id than before, wherever its file went."""
        there = self._folder.contents()
        wrong = []
        for row in self._rows:
            is_current = row.status == "indexed" and there.get(row.path) == row.sha256
            if is_current and row.sha256 not in self._folder.copied:
                first = self._held.setdefault(row.sha256, row.id)
                if first != row.id:
                    wrong.append(f"{row.path} was image {first} and is now image {row.id}")
        return wrong


def crash(place: Path, trial: Trial, command: Sequence[str] = PLAIN) -> Outcome:
    """Do all the rounds in an empty directory, and compare in the end.

    `command` starts benchmarks.crash_victim, its orders and its command line following.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    folder = WorkedFolder(place / "photos", trial.seed)
    folder.add(trial.images)
    folder.spoil()

    def rounds_in(name: str) -> Rounds:
        processes = Processes(place / name, place / "told", environment, command)
        return Rounds(folder, processes, trial.arguments)

    usual = rounds_in("usual").finish()
    rounds = rounds_in("library")
    chance = random.Random(trial.seed)
    while rounds.outcome.killed < trial.rounds and not rounds.outcome.wrong:
        if rounds.outcome.rounds and chance.random() < WORKED:
            folder.add(chance.randint(0, 2 * BATCH))
            folder.change(chance.randint(0, BATCH))
        rounds.kill(random_moment(chance, usual, rounds.indexed, rounds.pending))
    rounds.finish()
    undisturbed = rounds_in("undisturbed")
    undisturbed.finish()
    rounds.outcome.wrong += undisturbed.outcome.wrong
    rounds.outcome.wrong += differences(place / "library", place / "undisturbed", folder.root)
    return rounds.outcome


def main() -> None:
    """Kill, look, print; exit 1 where anything was lost."""
    parser = argparse.ArgumentParser(description="What killing the indexer costs.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--checkpoint", default="builtin")
    given = parser.parse_args()
    arguments = ("--checkpoint", given.checkpoint)
    with tempfile.TemporaryDirectory() as place:
        outcome = crash(Path(place), Trial(given.rounds, given.seed, given.images, arguments))
    print("\n".join(outcome.rounds + outcome.wrong))
    print(
        f"{outcome.killed} of {given.rounds} rounds were killed, {outcome.embedded} pictures "
        f"embedded, {outcome.wasted} of them in vain, {len(outcome.wrong)} things lost or wrong"
    )
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
