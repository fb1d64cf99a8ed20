"""Makers of state keys and states, and what other processes do to a store in tests of it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blipsearch.records import ImageStates, StateKey, StatesKind, StatesUsage
from blipsearch.states import StateStore
from blipsearch.states.folder import Folder
from blipsearch.states.shelf import Shelf

PRINT = "f" * 64
TOKENS = 5
WIDTH = 8

STRIDE = 128
"""Bytes from one float16 record to the next: 5 * 8 * 2, rounded up to 64."""

AMPLE = 1 << 20


def file_bytes(slots: int) -> int:
    """How large a segment of so many float16 records is: header, table, records."""
    return 4096 + -(-slots * 64 // 4096) * 4096 + slots * STRIDE


def usage_of(directory: Path) -> StatesUsage:
    """What lies in a store's directory, of whatever checkpoint and kind."""
    return Folder(directory).usage(lambda _: True)


def key(image_id: int, version: int = 0) -> StateKey:
    """The key of an image whose file has changed so many times."""
    content = hashlib.sha256(f"{image_id} {version}".encode()).hexdigest()
    return StateKey(image_id, content)


def keys(image_ids: Iterable[int], version: int = 0) -> list[StateKey]:
    return [key(image_id, version) for image_id in image_ids]


def states_of(of: Sequence[StateKey], kind: StatesKind = "float16") -> ImageStates:
    """States that follow from the keys, so that they can be told from any others."""
    return ImageStates.joined([_states(one, kind) for one in of])


def _states(of: StateKey, kind: StatesKind) -> ImageStates:
    rng = np.random.default_rng([of.image_id, int(of.content[:8], 16)])
    values = rng.standard_normal((1, TOKENS, WIDTH)).astype(np.float16)
    sizes = rng.integers(0, 9, (1, TOKENS)).astype(np.uint16) if kind == "merged" else None
    if kind != "int8":
        return ImageStates(values, sizes=sizes)
    scales = rng.random((1, TOKENS)).astype(np.float32)
    return ImageStates(rng.integers(-127, 128, values.shape).astype(np.int8), scales)


def assert_same(actual: ImageStates | None, expected: ImageStates) -> None:
    """The same arrays, of the same dtypes, to the last bit."""
    assert actual is not None
    for name in ("values", "scales", "sizes"):
        one, other = getattr(actual, name), getattr(expected, name)
        if other is None:
            assert one is None
        else:
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()
            assert one.shape == other.shape


def held(store: StateStore, of: Sequence[StateKey]) -> list[int]:
    """The images of these keys that the store has; all it gives must be what was put."""
    found, states = store.get(of)
    hits = [one for one, is_there in zip(of, found.tolist(), strict=True) if is_there]
    if hits:
        assert_same(states, states_of(hits))
    else:
        assert states is None
    return [one.image_id for one in hits]


def opened(directory: Path, budget: int = AMPLE, kind: StatesKind = "float16") -> StateStore:
    return StateStore(directory, PRINT, kind, budget)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("states-*.bin"))


def disk_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in segments(directory))


def put_on_and_on(directory: Path, budget: int, seed: int, seconds: float) -> None:
    """Put and discard random images; what another process does. Kill it at any moment."""
    rng = np.random.default_rng(seed)
    end = time.monotonic() + seconds
    with opened(directory, budget) as store:
        while time.monotonic() < end:
            ids = rng.choice(np.arange(1, 41), size=6, replace=False).tolist()
            several = [key(image_id, int(rng.integers(3))) for image_id in ids]
            store.put(several, states_of(several))
            store.discard(ids[:1])


def die_within_a_put(directory: Path, budget: int, image_id: int) -> None:
    """Put an image and be gone before the others are told; what another process does."""
    write = Shelf.write

    def write_and_die(*arguments: Any) -> None:
        write(*arguments)
        os._exit(9)

    setattr(Shelf, "write", write_and_die)  # noqa: B010  # mypy would not have it assigned
    with opened(directory, budget) as store:
        store.put([key(image_id)], states_of([key(image_id)]))
