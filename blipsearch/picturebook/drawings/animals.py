"""The animals of the picture book that live outdoors."""

import numpy as np

from blipsearch.picturebook.drawings.shapes import (
    Drawing,
    Points,
    Pose,
    arc,
    blob,
    corners,
    curve,
    ellipse,
    eye,
    fill,
    line,
    mark,
    patch,
)


def bird(pose: Pose) -> Drawing:
    """A plump bird in profile with a wing half raised."""
    lift = 0.1 * pose.a
    return [
        line("beak", curve((0.42, 0.78), (0.4, 1.0)), 0.035),
        line("beak", curve((0.56, 0.78), (0.57, 1.0)), 0.035),
        fill("dark", corners((0.72, 0.5), (1.06, 0.28), (1.08, 0.44), (0.98, 0.6), (0.75, 0.68))),
        fill("beak", corners((0.12, 0.2), (-0.1, 0.3), (0.12, 0.37))),
        fill(
            "body",
            blob(
                (0.28, 0.06),
                (0.46, 0.2),
                (0.62, 0.36),
                (0.86, 0.5),
                (0.76, 0.74),
                (0.5, 0.86),
                (0.22, 0.74),
                (0.1, 0.5),
                (0.08, 0.24),
            ),
        ),
        patch("light", blob((0.16, 0.5), (0.36, 0.6), (0.52, 0.8), (0.3, 0.77), (0.17, 0.66))),
        patch(
            "dark",
            blob((0.38, 0.46), (0.6, 0.36 - lift), (0.9, 0.3 - lift), (0.72, 0.58), (0.5, 0.66)),
        ),
        mark(curve((0.52, 0.56), (0.66, 0.5 - lift / 2), (0.78, 0.42 - lift))),
        *eye(0.24, 0.24, 0.07, -0.6, pose),
    ]


def butterfly(pose: Pose) -> Drawing:
    """A butterfly from above, all four wings spread."""
    drop = 0.06 * pose.a
    upper = (
        (0.5, 0.42),
        (0.36, 0.12 + drop),
        (0.12, 0.0 + drop),
        (0.0, 0.14),
        (0.06, 0.4),
        (0.26, 0.54),
    )
    lower = ((0.48, 0.52), (0.26, 0.52), (0.1, 0.66), (0.14, 0.9), (0.3, 0.98), (0.44, 0.8))
    shapes = [
        line("ink", curve((0.49, 0.3), (0.42, 0.1), (0.33, 0.0)), 0.03),
        line("ink", curve((0.51, 0.3), (0.58, 0.1), (0.67, 0.0)), 0.03),
    ]
    for paint, wing in (("dark", lower), ("body", upper)):
        shapes += [fill(paint, blob(*wing)), fill(paint, blob(*((1 - x, y) for x, y in wing)))]
    for x in (0.2, 0.8):
        shapes += [
            patch("light", ellipse(x, 0.24 + drop, 0.09, 0.1)),
            patch("body", ellipse(x, 0.24 + drop, 0.04, 0.05)),
            patch("light", ellipse(0.5 + (x - 0.5) * 0.8, 0.76, 0.055, 0.07)),
        ]
    return [
        *shapes,
        fill("ink", ellipse(0.5, 0.56, 0.055, 0.3)),
        fill("ink", ellipse(0.5, 0.27, 0.07, 0.07)),
    ]


def elephant(pose: Pose) -> Drawing:
    """An elephant in profile with a big ear, its trunk hanging or raised a little."""
    raised = 0.12 * pose.a
    return [
        line("mark", curve((0.94, 0.4), (1.04, 0.5), (1.02, 0.66)), 0.03),
        *(
            fill("dark", corners((x, 0.6), (x + 0.14, 0.6), (x + 0.14, 0.98), (x, 0.98)))
            for x in (0.5, 0.7)
        ),
        fill(
            "body",
            blob(
                (0.4, 0.18),
                (0.7, 0.14),
                (0.94, 0.3),
                (0.98, 0.56),
                (0.88, 0.76),
                (0.6, 0.78),
                (0.38, 0.72),
                (0.3, 0.4),
            ),
        ),
        *(
            fill("body", corners((x, 0.6), (x + 0.16, 0.6), (x + 0.16, 1.0), (x, 1.0)))
            for x in (0.38, 0.8)
        ),
        line(
            "body",
            curve(
                (0.14, 0.4),
                (0.05, 0.58),
                (0.05, 0.76 - raised / 2),
                (-0.02, 0.88 - raised),
                (-0.12, 0.84 - 1.6 * raised),
            ),
            0.12,
        ),
        fill("cream", blob((0.14, 0.56), (0.2, 0.54), (0.12, 0.74), (0.02, 0.76), (0.1, 0.68))),
        fill(
            "body",
            blob(
                (0.24, 0.08),
                (0.42, 0.14),
                (0.46, 0.36),
                (0.36, 0.56),
                (0.16, 0.58),
                (0.04, 0.44),
                (0.08, 0.2),
            ),
        ),
        fill(
            "dark",
            blob((0.32, 0.14), (0.5, 0.1), (0.62, 0.26), (0.58, 0.5), (0.44, 0.56), (0.34, 0.4)),
        ),
        patch(
            "blush",
            blob((0.4, 0.22), (0.5, 0.2), (0.55, 0.3), (0.52, 0.44), (0.44, 0.46), (0.4, 0.34)),
        ),
        *(patch("cream", arc(x, 1.0, 0.035, 0.04, 180, 360)) for x in (0.42, 0.5, 0.84, 0.92)),
        *eye(0.2, 0.3, 0.05, -0.4, pose),
    ]


def fish(pose: Pose) -> Drawing:
    """A fish in profile, swimming to the left."""
    sway = 0.1 * pose.a
    return [
        fill(
            "dark",
            blob(
                (0.72, 0.5),
                (0.9, 0.2 + sway),
                (1.04, 0.12 + sway),
                (0.96, 0.5),
                (1.04, 0.86 + sway),
                (0.9, 0.8 + sway),
            ),
        ),
        fill("dark", blob((0.3, 0.16), (0.42, -0.04), (0.62, 0.0), (0.62, 0.22), (0.45, 0.26))),
        fill("dark", blob((0.36, 0.82), (0.5, 1.04), (0.6, 0.98), (0.56, 0.78))),
        fill(
            "body",
            blob(
                (0.0, 0.52),
                (0.14, 0.24),
                (0.4, 0.1),
                (0.66, 0.26),
                (0.82, 0.48),
                (0.66, 0.74),
                (0.4, 0.9),
                (0.14, 0.78),
            ),
        ),
        patch("light", blob((0.08, 0.66), (0.3, 0.72), (0.6, 0.66), (0.42, 0.86), (0.2, 0.8))),
        mark(arc(0.2, 0.5, 0.14, 0.26, -70, 70)),
        *(
            mark(arc(x, y, 0.06, 0.08, -70, 70), 0.02)
            for x, y in ((0.46, 0.36), (0.46, 0.6), (0.6, 0.48))
        ),
        patch("dark", blob((0.36, 0.52), (0.52, 0.5), (0.5, 0.66))),
        mark(curve((0.02, 0.62), (0.08, 0.64), (0.11, 0.6)), 0.022),
        *eye(0.17, 0.4, 0.07, -0.5, pose),
    ]


def snail(pose: Pose) -> Drawing:
    """A snail with a big round shell; the shell has the colour."""
    stretch = 0.05 * pose.a
    return [
        line("skin", curve((0.13, 0.62), (0.1, 0.4), (0.04, 0.24 + stretch)), 0.045),
        line("skin", curve((0.2, 0.62), (0.22, 0.4), (0.27, 0.24 - stretch)), 0.045),
        fill(
            "skin",
            blob(
                (0.04, 0.6),
                (0.18, 0.5),
                (0.3, 0.64),
                (0.5, 0.8),
                (0.84, 0.84),
                (1.08, 0.96),
                (0.8, 1.0),
                (0.3, 1.0),
                (0.1, 0.94),
                (0.0, 0.78),
            ),
        ),
        fill("ink", ellipse(0.04, 0.22 + stretch, 0.045, 0.055)),
        fill("ink", ellipse(0.27, 0.22 - stretch, 0.045, 0.055)),
        fill("body", ellipse(0.62, 0.46, 0.35, 0.44)),
        patch("light", ellipse(0.64, 0.48, 0.24, 0.3)),
        patch("body", ellipse(0.66, 0.5, 0.17, 0.21)),
        mark(_spiral(), 0.04, "dark"),
        mark(arc(0.09, 0.76, 0.06, 0.06, 20, 150), 0.022),
        patch("blush", ellipse(0.2, 0.78, 0.05, 0.04)),
    ]


def _spiral() -> Points:
    turns = np.linspace(0, 4.6 * np.pi, 44)
    reach = 0.02 + 0.33 * turns / turns[-1]
    return np.stack([0.64 + reach * np.cos(turns), 0.48 + 1.25 * reach * np.sin(turns)], axis=1)
