"""Things of house and garden, and the containers other things can be inside of."""

from blipsearch.picturebook.drawings.shapes import (
    Drawing,
    Pose,
    arc,
    blob,
    corners,
    curve,
    ellipse,
    face,
    fill,
    joined,
    line,
    mark,
    patch,
    rounded,
)


def apple(pose: Pose) -> Drawing:
    """An apple with a leaf on its stalk."""
    lean = 0.08 * pose.a
    return [
        line("wood", curve((0.5, 0.22), (0.5 + lean / 2, 0.1), (0.54 + lean, -0.04)), 0.07),
        fill("leaf", blob((0.54, 0.1), (0.66, -0.04), (0.86, -0.04), (0.76, 0.1), (0.62, 0.15))),
        fill(
            "body",
            blob(
                (0.5, 0.2),
                (0.7, 0.13),
                (0.92, 0.24),
                (0.99, 0.5),
                (0.86, 0.82),
                (0.64, 1.0),
                (0.5, 0.96),
                (0.36, 1.0),
                (0.14, 0.82),
                (0.01, 0.5),
                (0.08, 0.24),
                (0.3, 0.13),
            ),
        ),
        patch("dark", blob((0.42, 0.19), (0.5, 0.22), (0.58, 0.19), (0.5, 0.27))),
        patch("light", blob((0.12, 0.5), (0.14, 0.34), (0.26, 0.26), (0.22, 0.4), (0.2, 0.54))),
        *face(0.52, 0.58, 0.34, pose),
    ]


def bowl(pose: Pose) -> Drawing:
    """A fish bowl: coloured glass, round, open at the top."""
    wave = 0.03 * pose.a
    surface = curve((0.12, 0.4), (0.34, 0.4 + wave), (0.5, 0.4), (0.66, 0.4 - wave), (0.88, 0.4))
    return [
        fill(
            "body", joined(arc(0.5, 0.54, 0.5, 0.47, -64, 90), arc(0.5, 0.54, 0.5, 0.47, 90, 244))
        ),
        patch("pale", ellipse(0.5, 0.54, 0.405, 0.38)),
        patch(
            "tint",
            joined(
                arc(0.5, 0.54, 0.405, 0.38, -22, 90), arc(0.5, 0.54, 0.405, 0.38, 90, 202), surface
            ),
        ),
        fill("body", rounded(0.2, 0.0, 0.8, 0.13, 0.06)),
        patch("light", rounded(0.27, 0.04, 0.6, 0.08, 0.019)),
        mark(arc(0.5, 0.54, 0.33, 0.31, 140, 196), 0.04, "cream"),
        mark(arc(0.5, 0.54, 0.33, 0.31, 114, 124), 0.04, "cream"),
    ]


def box(pose: Pose) -> Drawing:
    """A square box, open towards the reader, its lid flaps turned out."""
    flap = 0.05 * pose.a
    return [
        fill("dark", corners((0.06, 0.22), (0.5, 0.22), (0.4, 0.04 + flap), (-0.06, 0.04 - flap))),
        fill("dark", corners((0.94, 0.22), (0.5, 0.22), (0.6, 0.04 - flap), (1.06, 0.04 + flap))),
        fill("body", corners((0.02, 0.2), (0.98, 0.2), (0.98, 1.0), (0.02, 1.0))),
        patch("pale", corners((0.13, 0.31), (0.87, 0.31), (0.87, 0.89), (0.13, 0.89))),
        patch("tint", corners((0.13, 0.31), (0.87, 0.31), (0.79, 0.39), (0.21, 0.39))),
        patch("tint", corners((0.13, 0.31), (0.21, 0.39), (0.21, 0.82), (0.13, 0.89))),
        mark(corners((0.13, 0.89), (0.21, 0.82), (0.79, 0.82), (0.87, 0.89)), 0.015, "body"),
        mark(corners((0.13, 0.31), (0.87, 0.31), (0.87, 0.89), (0.13, 0.89), (0.13, 0.31)), 0.02),
        mark(corners((0.05, 0.945), (0.3, 0.945)), 0.02, "light"),
    ]


def cage(pose: Pose) -> Drawing:
    """A bird cage with a domed top."""
    del pose
    dome = joined(arc(0.5, 0.5, 0.46, 0.42, 180, 360), corners((0.96, 0.88), (0.04, 0.88)))
    bars = [
        mark(
            curve((0.5, 0.09), (0.5 + 0.6 * x, 0.16), (0.5 + x, 0.5), (0.5 + x, 0.88)),
            0.045,
            "body",
        )
        for x in (-0.28, -0.1, 0.1, 0.28)
    ]
    return [
        line("body", ellipse(0.5, 0.03, 0.06, 0.05), 0.04),
        fill("pale", dome),
        *bars,
        line("body", joined(dome, dome[:1]), 0.07),
        mark(corners((0.05, 0.5), (0.95, 0.5)), 0.045, "body"),
        fill("body", rounded(-0.02, 0.86, 1.02, 1.0, 0.05)),
        patch("light", rounded(0.06, 0.9, 0.6, 0.94, 0.018)),
    ]


def cup(pose: Pose) -> Drawing:
    """A mug of something hot."""
    rise = 0.04 * pose.a
    return [
        line(
            "body", curve((0.74, 0.36), (0.98, 0.36), (1.0, 0.62), (0.88, 0.76), (0.68, 0.76)), 0.11
        ),
        fill(
            "body",
            joined(
                arc(0.4, 0.22, 0.4, 0.09, 180, 360),
                curve(
                    (0.8, 0.22),
                    (0.79, 0.6),
                    (0.68, 0.98),
                    (0.4, 1.0),
                    (0.12, 0.98),
                    (0.01, 0.6),
                    (0.0, 0.22),
                ),
            ),
        ),
        patch("dark", ellipse(0.4, 0.22, 0.36, 0.07)),
        patch("cocoa", ellipse(0.4, 0.24, 0.31, 0.045)),
        patch(
            "light",
            joined(
                curve((0.03, 0.44 + rise), (0.4, 0.52 + rise), (0.77, 0.44 + rise)),
                curve((0.76, 0.52 + rise), (0.4, 0.6 + rise), (0.04, 0.52 + rise)),
            ),
        ),
        *face(0.4, 0.72, 0.26, pose),
    ]


def flower(pose: Pose) -> Drawing:
    """A daisy on a stalk with two leaves."""
    bend = 0.1 * pose.a
    petals = [(0.5 + 0.3 * c, 0.3 + 0.2 * s, turn) for c, s, turn in _SIX_AROUND]
    return [
        line("leaf", curve((0.5, 0.4), (0.5 + bend, 0.7), (0.5, 1.0)), 0.07),
        fill("leaf", blob((0.5 + bend / 2, 0.86), (0.28, 0.72), (0.08, 0.74), (0.22, 0.88))),
        fill("leaf", blob((0.5 + bend / 2, 0.8), (0.74, 0.64), (0.94, 0.66), (0.78, 0.82))),
        *(fill("body", ellipse(x, y, 0.2, 0.135)) for x, y, _ in petals),
        *(
            mark(curve((0.5 + (x - 0.5) * 0.6, 0.3 + (y - 0.3) * 0.6), (x, y)), 0.02, "dark")
            for x, y, _ in petals
        ),
        fill("middle", ellipse(0.5, 0.3, 0.17, 0.115)),
        *face(0.5, 0.295, 0.17, pose),
    ]


_SIX_AROUND = (
    (1.0, 0.0, 0.0),
    (0.5, 0.87, 1.05),
    (-0.5, 0.87, 2.09),
    (-1.0, 0.0, 3.14),
    (-0.5, -0.87, 4.19),
    (0.5, -0.87, 5.24),
)


def house(pose: Pose) -> Drawing:
    """A cottage with a chimney, a door and a lit window."""
    door, window = (0.18, 0.56) if pose.a > 0 else (0.6, 0.2)
    chimney = 0.72 + 0.03 * pose.b
    return [
        fill(
            "dark",
            corners(
                (chimney - 0.07, 0.04),
                (chimney + 0.07, 0.04),
                (chimney + 0.07, 0.4),
                (chimney - 0.07, 0.4),
            ),
        ),
        fill("body", corners((0.08, 0.4), (0.92, 0.4), (0.92, 1.0), (0.08, 1.0))),
        fill("dark", corners((-0.04, 0.46), (0.5, -0.04), (1.04, 0.46), (0.98, 0.5), (0.02, 0.5))),
        mark(corners((0.12, 0.41), (0.5, 0.07), (0.88, 0.41)), 0.02, "body"),
        patch("cream", rounded(door, 0.62, door + 0.24, 1.0, 0.08)),
        patch("wood", rounded(door + 0.03, 0.65, door + 0.21, 1.0, 0.06)),
        patch("sun", ellipse(door + 0.17, 0.84, 0.02)),
        *_window(window, 0.62),
        patch("cream", ellipse(0.5, 0.3, 0.09)),
        patch("glass", ellipse(0.5, 0.3, 0.065)),
    ]


def _window(x: float, y: float) -> Drawing:
    return [
        patch("cream", rounded(x - 0.03, y - 0.03, x + 0.23, y + 0.23, 0.03)),
        patch("lamp", corners((x, y), (x + 0.2, y), (x + 0.2, y + 0.2), (x, y + 0.2))),
        mark(corners((x + 0.1, y), (x + 0.1, y + 0.2)), 0.025, "cream"),
        mark(corners((x, y + 0.1), (x + 0.2, y + 0.1)), 0.025, "cream"),
    ]


def mushroom(pose: Pose) -> Drawing:
    """A toadstool; its cap has the colour."""
    tilt = 0.04 * pose.a
    return [
        fill(
            "cream",
            blob(
                (0.36, 0.5),
                (0.64, 0.5),
                (0.66, 0.78),
                (0.72, 0.97),
                (0.5, 1.0),
                (0.28, 0.97),
                (0.34, 0.78),
            ),
        ),
        patch("shadow", blob((0.34, 0.54), (0.5, 0.6), (0.66, 0.54), (0.5, 0.66))),
        fill(
            "body",
            blob(
                (0.5, 0.0),
                (0.78, 0.08),
                (0.98, 0.34),
                (0.98, 0.52),
                (0.75, 0.58),
                (0.5, 0.56),
                (0.25, 0.58),
                (0.02, 0.52),
                (0.02, 0.34),
                (0.22, 0.08),
            ),
        ),
        patch("spot", ellipse(0.46, 0.17 + tilt, 0.11, 0.08)),
        patch("spot", ellipse(0.78, 0.3 + tilt, 0.09, 0.09)),
        patch("spot", ellipse(0.2, 0.36 - tilt, 0.09, 0.08)),
        patch("spot", ellipse(0.52, 0.44, 0.07, 0.05)),
        *face(0.5, 0.75, 0.19, pose),
    ]


def tree(pose: Pose) -> Drawing:
    """A leafy tree of many puffs on a brown trunk."""
    puff = 0.02 * pose.a
    trunk = joined(
        curve((0.41, 0.55), (0.42, 0.84), (0.33, 1.0)),
        curve((0.67, 1.0), (0.58, 0.84), (0.59, 0.55)),
    )
    puffs = (
        (0.22, 0.47, 0.24),
        (0.78, 0.47, 0.24),
        (0.5, 0.56, 0.24),
        (0.3, 0.22 + puff, 0.25),
        (0.7, 0.22 - puff, 0.25),
    )
    leaves = [fill("body", ellipse(x, y, r, r * pose.aspect)) for x, y, r in puffs]
    glints = ((0.3, 0.17), (0.7, 0.17), (0.2, 0.44), (0.78, 0.44), (0.5, 0.5))
    return [
        fill("wood", trunk),
        mark(curve((0.47, 0.78), (0.48, 0.9)), 0.02, "cocoa"),
        *leaves,
        patch("body", ellipse(0.5, 0.34, 0.3, 0.26)),
        *(mark(arc(x, y + puff, 0.1, 0.08, 200, 320), 0.035, "light") for x, y in glints),
    ]
