"""How every kind of thing is drawn: one function a kind, from a pose to shapes."""

from collections.abc import Callable

from blipsearch.picturebook.drawings import animals, home, pets, toys, vehicles
from blipsearch.picturebook.drawings.shapes import Drawing, Pose

DRAWINGS: dict[str, Callable[[Pose], Drawing]] = {
    draw.__name__: draw
    for draw in (
        home.apple,
        toys.ball,
        toys.balloon,
        animals.bird,
        vehicles.boat,
        home.bowl,
        home.box,
        animals.butterfly,
        home.cage,
        vehicles.car,
        pets.cat,
        home.cup,
        pets.dog,
        animals.elephant,
        animals.fish,
        home.flower,
        home.house,
        toys.kite,
        toys.moon,
        home.mushroom,
        pets.rabbit,
        toys.rocket,
        animals.snail,
        toys.star,
        vehicles.train,
        home.tree,
        toys.umbrella,
    )
}
"""The drawing of each of world.KINDS."""
