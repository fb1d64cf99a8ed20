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
    """A beach ball with curved stripes."""
    tilt = 0.12 * pose.a
    return [
        fill("body", ellipse(0.5, 0.5, 0.5)),
        patch(
            "cream",
            joined(
                arc(0.5, 0.5, 0.49, 0.49, -118, -62),
                arc(0.5 + tilt, 0.5, 0.16, 0.46, -70, 70),
                arc(0.5, 0.5, 0.49, 0.49, 62, 118),
                arc(0.5 + tilt, 0.5, 0.16, 0.46, 110, 250),
            ),
        ),
        patch(
            "dark", joined(arc(0.5, 0.5, 0.49, 0.49, 140, 220), arc(0.28, 0.5, 0.1, 0.32, 270, 90))
        ),
        patch("light", ellipse(0.78, 0.28, 0.08, 0.05, 0.8)),
        patch("dark", ellipse(0.5 + tilt, 0.06, 0.08, 0.04)),
    ]


def balloon(pose: Pose) -> Drawing:
    """A balloon on a wavy string."""
    sway = 0.14 * pose.a
    return [
        line(
            "mark",
            curve((0.5, 0.72), (0.5 + sway, 0.8), (0.5 - sway, 0.9), (0.5 + sway, 1.0)),
            0.03,
        ),
        fill("dark", corners((0.42, 0.76), (0.5, 0.68), (0.58, 0.76))),
        fill(
            "body",
            blob(
                (0.5, 0.0),
                (0.84, 0.1),
                (0.98, 0.34),
                (0.8, 0.6),
                (0.5, 0.73),
                (0.2, 0.6),
                (0.02, 0.34),
                (0.16, 0.1),
            ),
        ),
        patch("light", blob((0.22, 0.3), (0.26, 0.18), (0.4, 0.1), (0.34, 0.2), (0.3, 0.32))),
        *face(0.52, 0.38, 0.34, pose),
    ]


def kite(pose: Pose) -> Drawing:
    """A kite of four panels with bows along its tail."""
    sway = 0.16 * pose.a
    tail = curve((0.5, 0.7), (0.5 + sway, 0.8), (0.5 - sway, 0.9), (0.5 + sway, 1.02))
    bows = [_bow(float(x), float(y)) for x, y in tail[[5, 10, 16]]]
    return [
        line("ink", tail, 0.025),
        *(fill("dark", bow) for bow in bows),
        fill("body", corners((0.5, 0.0), (1.0, 0.3), (0.5, 0.72), (0.0, 0.3))),
        patch("light", corners((0.5, 0.0), (1.0, 0.3), (0.5, 0.3))),
        patch("light", corners((0.0, 0.3), (0.5, 0.3), (0.5, 0.72))),
        mark(corners((0.5, 0.02), (0.5, 0.7)), 0.03),
        mark(corners((0.02, 0.3), (0.98, 0.3)), 0.03),
    ]


def _bow(x: float, y: float) -> Points:
    return corners(
        (x - 0.15, y - 0.04),
        (x, y),
        (x + 0.15, y - 0.04),
        (x + 0.15, y + 0.04),
        (x, y),
        (x - 0.15, y + 0.04),
    )


def moon(pose: Pose) -> Drawing:
    """A crescent moon with a dreamy face."""
    bite = 0.06 * pose.a
    outer = arc(0.6, 0.5, 0.6, 0.5, 55, 305)
    inner = arc(0.86 + bite, 0.5, 0.52, 0.41, 292, 68)
    shapes = [
        fill("body", joined(outer, inner)),
        patch(
            "light",
            joined(arc(0.62, 0.5, 0.55, 0.45, 120, 240), arc(0.67, 0.5, 0.54, 0.44, 240, 120)),
        ),
        patch("dark", ellipse(0.36, 0.82, 0.05, 0.04)),
        patch("dark", ellipse(0.3, 0.2, 0.04, 0.03)),
    ]
    if pose.smiles:
        shapes += [
            mark(arc(0.24, 0.42, 0.08, 0.05, 10, 170), 0.03),
            mark(arc(0.24, 0.56, 0.08, 0.07, 10, 150), 0.03),
            patch("blush", ellipse(0.15, 0.53, 0.06, 0.045)),
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
                (0.62, 0.92),
                (0.5, 1.06 + fire),
                (0.38, 0.92),
            ),
        ),
        patch("sun", blob((0.42, 0.8), (0.58, 0.8), (0.54, 0.9), (0.5, 0.97 + fire), (0.46, 0.9))),
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
