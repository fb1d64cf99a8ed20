"""Things that fly, float or play: toys, and what hangs in the sky."""

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
    face,
    fill,
    joined,
    line,
    mark,
    patch,
)


def ball(pose: Pose) -> Drawing:
    """A beach ball with a pale stripe and a dark side."""
    tilt = 0.1 * pose.a
    return [
        fill("body", ellipse(0.5, 0.5, 0.5)),
        patch(
            "stripe",
            joined(
                arc(0.5, 0.5, 0.49, 0.49, -112, -68),
                arc(0.5 + tilt, 0.5, 0.14, 0.46, -70, 70),
                arc(0.5, 0.5, 0.49, 0.49, 68, 112),
                arc(0.5 + tilt, 0.5, 0.14, 0.46, 110, 250),
            ),
        ),
        patch(
            "dark",
            joined(arc(0.5, 0.5, 0.49, 0.49, 140, 220), arc(0.26, 0.5, 0.1, 0.32, 270, 90)),
        ),
        patch("dark", ellipse(0.5 + tilt / 2, 0.06, 0.09, 0.04)),
        patch("light", ellipse(0.79, 0.29, 0.08, 0.05, 0.8)),
    ]


def balloon(pose: Pose) -> Drawing:
    """A balloon on a string."""
    sway = 0.05 * pose.a
    string = curve((0.5, 0.74), (0.54 + sway, 0.84), (0.46 + sway, 0.96), (0.52 + 2 * sway, 1.1))
    return [
        line("ink", string, 0.028),
        fill("dark", corners((0.41, 0.79), (0.5, 0.7), (0.59, 0.79))),
        fill(
            "body",
            blob(
                (0.5, 0.0),
                (0.84, 0.1),
                (0.98, 0.34),
                (0.8, 0.62),
                (0.5, 0.75),
                (0.2, 0.62),
                (0.02, 0.34),
                (0.16, 0.1),
            ),
        ),
        patch("light", blob((0.2, 0.3), (0.26, 0.17), (0.4, 0.09), (0.34, 0.2), (0.29, 0.32))),
        *face(0.52, 0.4, 0.34, pose),
    ]


def kite(pose: Pose) -> Drawing:
    """A kite of four panels with bows along its tail."""
    sway = 0.06 * pose.a
    tail = curve((0.5, 0.7), (0.56 + sway, 0.84), (0.44 + sway, 0.98), (0.54 + 2 * sway, 1.14))
    return [
        line("ink", tail, 0.025),
        *(fill("dark", _bow(*tail[i])) for i in (7, 15)),
        fill("body", corners((0.5, 0.0), (1.0, 0.32), (0.5, 0.76), (0.0, 0.32))),
        patch("light", corners((0.5, 0.0), (1.0, 0.32), (0.5, 0.32))),
        patch("light", corners((0.0, 0.32), (0.5, 0.32), (0.5, 0.76))),
        mark(corners((0.5, 0.02), (0.5, 0.74)), 0.028),
        mark(corners((0.02, 0.32), (0.98, 0.32)), 0.028),
    ]


def _bow(x: float, y: float) -> Points:
    left, right = (
        ((x - 0.12, y - 0.035), (x - 0.12, y + 0.035)),
        ((x + 0.12, y + 0.035), (x + 0.12, y - 0.035)),
    )
    return corners(*left, (x, y), *right, (x, y))


def moon(pose: Pose) -> Drawing:
    """A crescent moon, perhaps with a dreamy face."""
    bite = 0.05 * pose.a
    outer = arc(0.62, 0.5, 0.62, 0.5, 62, 298)
    inner = arc(0.94 + bite, 0.5, 0.5, 0.4, 284, 76)
    shapes = [
        fill("body", joined(outer, inner)),
        patch(
            "light",
            joined(arc(0.62, 0.5, 0.57, 0.46, 120, 240), arc(0.68, 0.5, 0.57, 0.46, 240, 120)),
        ),
        patch("dark", ellipse(0.44, 0.83, 0.055, 0.04)),
        patch("dark", ellipse(0.4, 0.17, 0.045, 0.033)),
    ]
    if pose.smiles:
        shapes += [
            mark(arc(0.28, 0.42, 0.09, 0.05, 10, 170), 0.03),
            mark(arc(0.29, 0.58, 0.08, 0.07, 10, 150), 0.03),
            patch("blush", ellipse(0.18, 0.53, 0.06, 0.04)),
        ]
    return shapes


def rocket(pose: Pose) -> Drawing:
    """A rocket on its way up."""
    fire = 0.06 * pose.a
    return [
        fill(
            "flame",
            blob(
                (0.34, 0.8),
                (0.5, 0.78),
                (0.66, 0.8),
                (0.63, 0.96),
                (0.5, 1.18 + fire),
                (0.37, 0.96),
            ),
        ),
        patch("sun", blob((0.43, 0.9), (0.57, 0.9), (0.56, 0.98), (0.5, 1.08 + fire), (0.44, 1))),
        fill("dark", blob((0.3, 0.5), (0.06, 0.68), (-0.02, 0.9), (0.16, 0.86), (0.32, 0.78))),
        fill("dark", blob((0.7, 0.5), (0.94, 0.68), (1.02, 0.9), (0.84, 0.86), (0.68, 0.78))),
        fill(
            "body",
            blob(
                (0.5, -0.04),
                (0.68, 0.14),
                (0.8, 0.4),
                (0.76, 0.66),
                (0.66, 0.83),
                (0.5, 0.84),
                (0.34, 0.83),
                (0.24, 0.66),
                (0.2, 0.4),
                (0.32, 0.14),
            ),
        ),
        patch(
            "dark",
            blob((0.5, -0.02), (0.62, 0.1), (0.66, 0.16), (0.5, 0.18), (0.34, 0.16), (0.38, 0.1)),
        ),
        patch("cream", ellipse(0.5, 0.4, 0.18, 0.125)),
        patch("glass", ellipse(0.5, 0.4, 0.135, 0.094)),
        mark(arc(0.5, 0.4, 0.09, 0.062, 190, 260), 0.03, "cream"),
        patch("dark", blob((0.44, 0.62), (0.56, 0.62), (0.56, 0.9), (0.5, 0.94), (0.44, 0.9))),
    ]


def star(pose: Pose) -> Drawing:
    """A five-pointed star with round tips."""
    depth = 0.5 + 0.04 * pose.a
    turns = np.radians(-90 + 36 * np.arange(10))
    reach = np.where(np.arange(10) % 2 == 0, 1.0, depth)
    points = np.stack([reach * np.cos(turns), reach * np.sin(turns)], axis=1)
    tips = [p + (q - p) * share for p, q, share in _around(points)]
    return [
        fill("body", np.array(tips)),
        patch("light", 0.62 * points[[0, 9, 8, 7, 6]] + (-0.02, -0.03)),
        *face(0.0, 0.02, 0.42, pose),
    ]


def _around(points: Points) -> list[tuple[Points, Points, float]]:
    """Each corner twice, a little towards each of its neighbours, so that the tips are blunt."""
    cut = []
    for i in range(len(points)):
        share = 0.1 if i % 2 == 0 else 0.04
        cut += [
            (points[i], points[i - 1], share),
            (points[i], points[(i + 1) % len(points)], share),
        ]
    return cut


def umbrella(pose: Pose) -> Drawing:
    """An open umbrella with a crooked handle."""
    hook = curve((0.5, 0.5), (0.5, 0.88), (0.46, 0.98), (0.36, 0.98), (0.32, 0.88))
    scallops = [arc(x, 0.54, 0.125, 0.07, 0, -180) for x in (0.875, 0.625, 0.375, 0.125)]
    bulge = 0.03 * pose.a
    return [
        line("wood", hook, 0.06),
        line("wood", corners((0.5, -0.04), (0.5, 0.1)), 0.05),
        fill("body", joined(arc(0.5, 0.54, 0.5, 0.5, 180, 360), *scallops)),
        patch(
            "light",
            joined(
                arc(0.5, 0.54, 0.26 + bulge, 0.5, 180, 270),
                arc(0.5, 0.54, 0.03, 0.49, 270, 180),
                scallops[2],
            ),
        ),
        patch(
            "dark",
            joined(
                arc(0.5, 0.54, 0.49, 0.49, 300, 358),
                scallops[0],
                arc(0.5, 0.54, 0.25 + bulge, 0.49, 360, 290),
            ),
        ),
        mark(arc(0.5, 0.54, 0.25 + bulge, 0.49, 180, 262), 0.02),
        mark(arc(0.5, 0.54, 0.25 + bulge, 0.49, 278, 360), 0.02),
    ]
