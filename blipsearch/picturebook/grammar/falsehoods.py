"""False captions that are hard to tell from true ones: one thing in them is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from blipsearch.picturebook import world
from blipsearch.picturebook.geometry import holds, may_hold
from blipsearch.picturebook.grammar.captions import drafts, full_claim
from blipsearch.picturebook.grammar.claims import Claim, Phrase, write
from blipsearch.picturebook.grammar.truth import agrees
from blipsearch.picturebook.grammar.words import NUMBERS
from blipsearch.picturebook.layout import Rng, T
from blipsearch.picturebook.scene import Scene


@dataclass(frozen=True, slots=True)
class FalseCaption:
    """A false caption, what is wrong in it (world.DIFFERENCES), and the true one it came from."""

    text: str
    differs_in: str
    original: str


def false_captions(scene: Scene, rng: Rng) -> list[FalseCaption]:
    """Plainly false captions of `scene`, each a true one with one thing changed.

    For every difference that the scene allows there is one made from the full caption and, where
    one can be found, one made from a shorter caption. A scene of one group has none that differ in
    a relation. What could be argued about (a relation at a slant, scenery) is never claimed.
    """
    shorter = [claim for claim in drafts(scene, rng) if agrees(claim, scene, holds)][:-1]
    found = []
    for differs_in, change in _CHANGES.items():
        for claims in ([full_claim(scene)], _shuffled(shorter, rng)):
            false = _first_false(claims, change, scene, rng)
            if false is not None:
                claim, original = false
                found.append(FalseCaption(write(claim), differs_in, write(original)))
    return list(dict.fromkeys(found))


def _first_false(
    claims: Sequence[Claim], change: "Change", scene: Scene, rng: Rng
) -> tuple[Claim, Claim] | None:
    for original in claims:
        for claim in _shuffled(change(original, scene), rng)[:_TRIES]:
            if not agrees(claim, scene, may_hold):
                return claim, original
    return None


_TRIES = 8

Change = Callable[[Claim, Scene], Sequence[Claim]]


def _other_colours(claim: Claim, scene: Scene) -> list[Claim]:
    """Colours that the scene shows elsewhere come as often as all others together."""
    changed = []
    for i, phrase in enumerate(claim.phrases):
        if phrase.colour is not None:
            here = [g.colour for g in scene.groups]
            changed += [
                _with_phrase(claim, i, replace(phrase, colour=colour))
                for colour in _weighted(world.COLOURS, here, phrase.colour)
            ]
    return changed


def _other_kinds(claim: Claim, scene: Scene) -> list[Claim]:
    """Kinds that the scene shows elsewhere come as often as all others together."""
    possible = [kind for kind in world.KINDS if kind not in world.scenery_of(scene.setting)]
    changed = []
    for i, phrase in enumerate(claim.phrases):
        here = [g.kind for g in scene.groups]
        changed += [
            _with_phrase(claim, i, replace(phrase, kind=kind))
            for kind in _weighted(possible, here, phrase.kind)
        ]
    return [c for c in changed if _is_speakable(c)]


def _other_counts(claim: Claim, scene: Scene) -> list[Claim]:
    del scene
    numbers = range(1, len(NUMBERS) + 1)
    return [
        _with_phrase(claim, i, replace(phrase, number=number))
        for i, phrase in enumerate(claim.phrases)
        for number in numbers
        if number != (phrase.number or 1)
    ]


def _other_relations(claim: Claim, scene: Scene) -> list[Claim]:
    """Another relation in the place of one; the inverse comes as often as all others together."""
    del scene
    changed = []
    for i, relation in enumerate(claim.relations):
        if relation is None:
            continue
        inverse = [world.INVERSES.get(relation, relation)]
        for name in _weighted(world.RELATIONS, inverse, relation):
            names = list(claim.relations)
            names[i] = name
            changed.append(replace(claim, relations=tuple(names)))
    if len(claim.phrases) == 2 and claim.relations[0] is not None:
        changed += [replace(claim, phrases=claim.phrases[::-1])] * 2
    return [c for c in changed if _is_speakable(c)]


def _other_settings(claim: Claim, scene: Scene) -> list[Claim]:
    if claim.setting is None:
        return []
    kinds = {group.kind for group in scene.groups}
    return [
        replace(claim, setting=setting)
        for setting in world.SETTINGS
        if setting != claim.setting and not kinds & world.scenery_of(setting)
    ]


_CHANGES: dict[str, Change] = {
    "colour": _other_colours,
    "kind": _other_kinds,
    "count": _other_counts,
    "relation": _other_relations,
    "setting": _other_settings,
}


def _weighted(all_options: Sequence[str], favoured: Sequence[str], current: str) -> list[str]:
    """The options but `current`; the favoured ones repeated until they are half of the list."""
    options = [option for option in all_options if option != current]
    near = [option for option in dict.fromkeys(favoured) if option in options]
    repeats = len(options) // len(near) if near else 0
    return options + near * repeats


def _with_phrase(claim: Claim, number: int, phrase: Phrase) -> Claim:
    phrases = list(claim.phrases)
    phrases[number] = phrase
    return replace(claim, phrases=tuple(phrases))


def _is_speakable(claim: Claim) -> bool:
    """Whether nothing is said to be inside of what cannot hold it, which would be too easy."""
    pairs = zip(claim.relations, claim.phrases[1:], strict=True)
    return all(
        relation != "inside"
        or (phrase.kind in world.CONTAINERS and claim.phrases[0].kind not in world.CONTAINERS)
        for relation, phrase in pairs
    )


def _shuffled(items: Sequence[T], rng: Rng) -> list[T]:
    """The items in an order drawn from `rng`."""
    keyed = sorted((rng.random(), i) for i in range(len(items)))
    return [items[i] for _, i in keyed]
