"""True captions of a scene, from terse to full."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from blipsearch.picturebook import world
from blipsearch.picturebook.geometry import holds
from blipsearch.picturebook.grammar.claims import Claim, Phrase, write
from blipsearch.picturebook.grammar.truth import agrees
from blipsearch.picturebook.layout import Rng, pick
from blipsearch.picturebook.scene import Group, Scene


def captions(scene: Scene, rng: Rng) -> list[str]:
    """Different true captions of `scene` from terse to full; the last is the full caption."""
    told = [write(claim) for claim in drafts(scene, rng) if agrees(claim, scene, holds)]
    full = full_caption(scene)
    return [*(text for text in dict.fromkeys(told) if text != full), full]


def full_caption(scene: Scene) -> str:
    """The fullest caption: all groups with number, size and colour, all relations, the setting.

    Scenes with different `scene.meaning` have different full captions; the places, shades and poses
    that no word tells are left out.
    """
    return write(full_claim(scene))


def unambiguous(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """The scenes of which no full caption is true of another one that is given out.

    "a red cat in a room" is also true of a picture with a dog beside the red cat: where each full
    caption shall have exactly one right picture, choose the scenes with this.
    """
    kept: list[tuple[Claim, Scene]] = []
    for scene in scenes:
        claim = full_claim(scene)
        if not any(agrees(claim, s, holds) or agrees(c, scene, holds) for c, s in kept):
            kept.append((claim, scene))
            yield scene


def full_claim(scene: Scene) -> Claim:
    """What the full caption says; relations come in the order of world.RELATIONS."""
    order = sorted(scene.relations, key=lambda r: world.RELATIONS.index(r.name))
    phrases = [full_phrase(scene.groups[i]) for i in (0, *(r.second for r in order))]
    return Claim(tuple(phrases), tuple(r.name for r in order), scene.setting)


def full_phrase(group: Group) -> Phrase:
    """A group with number, size and colour; one thing is "a" and "medium" is not said."""
    number = group.count if group.count > 1 else None
    size = group.size if group.size != "medium" else None
    return Phrase(group.kind, group.colour, size, number)


def drafts(scene: Scene, rng: Rng) -> Iterator[Claim]:
    """Claims about `scene` from terse to full; all but the last may fail on a scene's other things.

    "two boats", said of the two red ones, is false where a blue one is about.
    """
    group = pick(rng, scene.groups)
    full = full_phrase(group)
    yield Claim((replace(full, colour=None, size=None),))
    yield Claim((replace(full, size=None),))
    if group.count == 1 and rng.random() < _SHARE_OF_ONE:
        yield Claim((replace(full, size=None, number=1),))
    yield Claim((full,))
    yield Claim((_shortened(full, rng),), setting=scene.setting)
    yield Claim((full,), setting=scene.setting)
    if scene.relations:
        yield from _pair_drafts(scene, rng)
    yield full_claim(scene)


_SHARE_OF_ONE = 0.25
"""Only now and then: people say "a boat", not "one boat"."""


def _pair_drafts(scene: Scene, rng: Rng) -> Iterator[Claim]:
    relation = pick(rng, scene.relations)
    first, second = full_phrase(scene.groups[0]), full_phrase(scene.groups[relation.second])
    ways = [(first, relation.name, second)]
    if relation.name in world.INVERSES:
        ways.append((second, world.INVERSES[relation.name], first))
    a, name, b = pick(rng, ways)
    setting = pick(rng, (None, scene.setting))
    yield Claim((_shortened(b, rng), _shortened(a, rng)), (None,), setting)
    yield Claim((_bare(a), _bare(b)), (name,))
    a, name, b = pick(rng, ways)
    yield Claim((replace(a, size=None), replace(b, size=None)), (name,))
    yield Claim((_shortened(a, rng), _shortened(b, rng)), (name,), pick(rng, (None, scene.setting)))
    a, name, b = pick(rng, ways)
    yield Claim((a, b), (name,), scene.setting)


def _bare(phrase: Phrase) -> Phrase:
    return Phrase(phrase.kind, number=phrase.number)


def _shortened(phrase: Phrase, rng: Rng) -> Phrase:
    """The phrase with its colour or its size left out now and then."""
    colour = phrase.colour if rng.random() < 0.8 else None
    size = phrase.size if rng.random() < 0.5 else None
    return replace(phrase, colour=colour, size=size)
