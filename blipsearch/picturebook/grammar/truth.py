"""Whether a caption is true of a scene."""

from blipsearch.picturebook.geometry import Box, RelationTest, holds, hull
from blipsearch.picturebook.grammar.claims import Claim, Phrase, parse
from blipsearch.picturebook.scene import Group, Scene

Referent = tuple[Box, int]
"""The box around what a phrase may speak of, and its groups as a bit set."""


def is_true(caption: str, scene: Scene) -> bool:
    """Whether `caption`, any of the grammar, is true of `scene`.

    "a red car" is true when at least one red car is there, "two red boats" when there are exactly
    two, "one boat" when there is exactly one. Words left out are left open: a small red car is a
    car. Relations are judged by `geometry.holds` between the boxes around the groups; things of one
    group act as one, and the two sides of a relation are never the same group. Raises WorldError, a
    ValueError, for text outside the grammar.
    """
    return agrees(parse(caption), scene, holds)


def agrees(claim: Claim, scene: Scene, test: RelationTest) -> bool:
    """Whether `claim` is true of `scene` when `test` judges the relations."""
    if claim.setting is not None and claim.setting != scene.setting:
        return False
    spoken_of = []
    for phrase in claim.phrases:
        referents = _referents(phrase, scene.groups)
        if not referents:
            return False
        spoken_of.append(referents)
    return any(
        _completes(first, claim.relations, spoken_of[1:], first[1], test) for first in spoken_of[0]
    )


def _completes(
    first: Referent,
    relations: tuple[str | None, ...],
    others: list[list[Referent]],
    used: int,
    test: RelationTest,
) -> bool:
    """Whether every further phrase finds groups of its own in the stated relation to `first`."""
    if not relations:
        return True
    return any(
        not groups & used
        and (relations[0] is None or test(relations[0], first[0], box))
        and _completes(first, relations[1:], others[1:], used | groups, test)
        for box, groups in others[0]
    )


def _referents(phrase: Phrase, groups: tuple[Group, ...]) -> list[Referent]:
    """Each fitting group for "a car"; all fitting things together for "two cars"."""
    fitting = [(group, 1 << number) for number, group in enumerate(groups) if _fits(phrase, group)]
    if phrase.number is None:
        return [(group.box, bit) for group, bit in fitting]
    if sum(group.count for group, _ in fitting) != phrase.number:
        return []
    return [(hull(group.box for group, _ in fitting), sum(bit for _, bit in fitting))]


def _fits(phrase: Phrase, group: Group) -> bool:
    return (
        group.kind == phrase.kind
        and phrase.colour in (None, group.colour)
        and phrase.size in (None, group.size)
    )
