"""The vocabulary of the picture-book world: what there is, and what is kept back from training."""

from functools import lru_cache
from hashlib import blake2b

from blipsearch.errors import WorldError

KINDS = (
    "apple",
    "ball",
    "balloon",
    "bird",
    "boat",
    "bowl",
    "box",
    "butterfly",
    "cage",
    "car",
    "cat",
    "cup",
    "dog",
    "elephant",
    "fish",
    "flower",
    "house",
    "kite",
    "moon",
    "mushroom",
    "rabbit",
    "rocket",
    "snail",
    "star",
    "train",
    "tree",
    "umbrella",
)
COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
)
SIZES = ("small", "medium", "large")
"""Sizes of things; captions never say "medium"."""

RELATIONS = ("left of", "right of", "above", "below", "next to", "inside")
INVERSES = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "next to": "next to",
}
"""What the second thing is to the first; "inside" has no inverse in this world."""

SETTINGS = (
    "at night",
    "at sunset",
    "by the sea",
    "on snow",
    "in a forest",
    "in a room",
    "in the rain",
    "in the desert",
    "on a meadow",
    "in the city",
)
DIFFERENCES = ("colour", "kind", "count", "relation", "setting")
"""What a twin scene or a false caption may differ in."""

CONTAINERS = ("bowl", "box", "cage")
"""The kinds another thing can be inside of."""

SCENERY = {"in a forest": frozenset({"tree"}), "in the city": frozenset({"house"})}
"""Kinds a setting already shows in its background: they are never things of such a scene, and
neither questions nor false captions ask for them there."""


def scenery_of(setting: str) -> frozenset[str]:
    """Kinds that the background of `setting` shows by itself."""
    return SCENERY.get(setting, frozenset())


def _stable_hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=1)
def _held_out_pairs() -> frozenset[tuple[str, str]]:
    kinds = sorted(KINDS, key=_stable_hash)
    colours = sorted(COLOURS, key=_stable_hash)
    return frozenset((kind, colours[i % len(colours)]) for i, kind in enumerate(kinds))


def held_out(kind: str, colour: str) -> bool:
    """Whether training never shows `kind` in `colour`.

    Every kind has exactly one such colour (a tenth of the pairs), and every colour is missing for
    two or three kinds. The choice follows from a hash of the names, not from random state.
    """
    _check(kind, KINDS, "kind")
    _check(colour, COLOURS, "colour")
    return (kind, colour) in _held_out_pairs()


def held_out_relation(kind: str, relation: str, other: str) -> bool:
    """Whether training never shows `kind` in this relation to `other`.

    A tenth of the triples of every relation that the world can show, those with the smallest hash
    of their names. A triple and its inverse agree: a car left of a house is held out exactly when a
    house right of a car is. What cannot be inside of the other is never held out.
    """
    _check(kind, KINDS, "kind")
    _check(relation, RELATIONS, "relation")
    _check(other, KINDS, "kind")
    return _canonical(kind, relation, other) in _held_out_triples()


@lru_cache(maxsize=1)
def _held_out_triples() -> frozenset[tuple[str, str, str]]:
    chosen: set[tuple[str, str, str]] = set()
    for relation in ("left of", "above", "next to"):
        chosen |= _first_tenth({_canonical(a, relation, b) for a in KINDS for b in KINDS})
    inner = [kind for kind in KINDS if kind not in CONTAINERS]
    return frozenset(chosen | _first_tenth({(a, "inside", b) for a in inner for b in CONTAINERS}))


def _canonical(kind: str, relation: str, other: str) -> tuple[str, str, str]:
    """The one of a triple and its inverse that stands for both."""
    if relation == "inside":
        return kind, relation, other
    return min((kind, relation, other), (other, INVERSES[relation], kind))


def _first_tenth(triples: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    ordered = sorted(triples, key=lambda triple: _stable_hash("|".join(triple)))
    return set(ordered[: round(len(ordered) / 10)])


def _check(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise WorldError(f"unknown {what} {name!r}; choose one of {', '.join(known)}")
