"""Whatever is done to a store, it is a dictionary that forgets the least recently used."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from blipsearch.records import StateKey
from tests.unit.states_makers import (
    STRIDE,
    disk_bytes,
    file_bytes,
    held,
    key,
    opened,
    segments,
    states_of,
)

_ids = st.integers(1, 14)
_keys = st.lists(st.builds(key, _ids, st.integers(0, 2)), min_size=1, max_size=10)
_either = st.integers(0, 1)
# A higher one adds a segment to those of a lower one, which then has to go again.
_budgets = st.sampled_from(
    [
        *(file_bytes(1), file_bytes(3), file_bytes(8)),
        *(file_bytes(3) + file_bytes(2), file_bytes(3) + file_bytes(4)),
        file_bytes(3) + file_bytes(2) + file_bytes(2),
    ]
)


class StatesMachine(RuleBasedStateMachine):
    """Two stores in one directory, and the keys they must hold by image, the last used last.

    That what comes back is what was put under its key, to the bit, is checked by `held`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="blipsearch-states-"))
        self.open_stores = ExitStack()
        self.expected: dict[int, StateKey] = {}
        self.is_within = True  # a put enforces a new budget

    @initialize(budget=_budgets)
    def open(self, budget: int) -> None:
        self.budget = budget
        self.stores = [
            self.open_stores.enter_context(opened(self.directory, budget)) for _ in range(2)
        ]

    def teardown(self) -> None:
        self.open_stores.close()
        shutil.rmtree(self.directory)

    @rule(several=_keys, which=_either)
    def put(self, several: list[StateKey], which: int) -> None:
        self.stores[which].put(several, states_of(several))
        self.is_within = True
        for one in several:
            self.expected.pop(one.image_id, None)
            self.expected[one.image_id] = one
        # All of these segments are small enough for a table of one page.
        slots = sum((path.stat().st_size - 8192) // STRIDE for path in segments(self.directory))
        for image_id in list(self.expected)[: max(0, len(self.expected) - slots)]:
            del self.expected[image_id]

    @rule(several=_keys, which=_either)
    def get(self, several: list[StateKey], which: int) -> None:
        there = [one for one in several if self.expected.get(one.image_id) == one]
        assert held(self.stores[which], several) == [one.image_id for one in there]
        for one in there:
            self.expected[one.image_id] = self.expected.pop(one.image_id)

    @rule(which=_either)
    def get_all(self, which: int) -> None:
        assert held(self.stores[which], list(self.expected.values())) == list(self.expected)

    @rule(image_ids=st.lists(_ids, max_size=4), which=_either)
    def discard(self, image_ids: list[int], which: int) -> None:
        self.stores[which].discard(image_ids)
        for image_id in image_ids:
            self.expected.pop(image_id, None)

    @rule(budget=_budgets)
    def change_budget(self, budget: int) -> None:
        self.open_stores.close()
        self.open(budget)
        self.is_within = False

    @rule()
    def delete_the_folder(self) -> None:
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        self.expected.clear()

    @invariant()
    def stays_within_its_budget(self) -> None:
        assert not self.is_within or disk_bytes(self.directory) <= self.budget

    @invariant()
    def counts_its_images(self) -> None:
        for store in self.stores:
            assert store.usage().images == len(self.expected)


TestStatesProperties = StatesMachine.TestCase
TestStatesProperties.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, print_blob=True
)
