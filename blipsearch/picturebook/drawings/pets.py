"""The animals of the picture book that live with us."""

from blipsearch.picturebook.drawings.shapes import (
    Drawing,
    Pose,
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


def cat(pose: Pose) -> Drawing:
    """A sitting cat that looks at the reader, its tail curled up beside it."""
    tip = 0.08 * pose.a
    return [
        line(
            "body",
            curve((0.62, 0.93), (0.92, 0.92), (1.02, 0.72), (0.92 + tip, 0.5), (1.0, 0.42)),
            0.12,
        ),
        fill(
            "body",
            blob(
                (0.4, 0.5),
                (0.62, 0.52),
                (0.76, 0.8),
                (0.72, 0.98),
                (0.45, 1.0),
                (0.18, 0.98),
                (0.14, 0.8),
                (0.26, 0.54),
            ),
        ),
        fill("body", corners((0.08, 0.3), (0.1, -0.06), (0.36, 0.12))),
        fill("body", corners((0.82, 0.3), (0.8, -0.06), (0.54, 0.12))),
        patch("blush", corners((0.14, 0.2), (0.15, 0.04), (0.26, 0.12))),
        patch("blush", corners((0.76, 0.2), (0.75, 0.04), (0.64, 0.12))),
        fill("body", ellipse(0.45, 0.33, 0.39, 0.27)),
        patch(
            "light",
            blob((0.45, 0.6), (0.56, 0.7), (0.54, 0.9), (0.45, 0.95), (0.36, 0.9), (0.34, 0.7)),
        ),
        mark(curve((0.36, 0.86), (0.36, 0.99))),
        mark(curve((0.54, 0.86), (0.54, 0.99))),
        patch("dark", corners((0.4, 0.08), (0.45, 0.2), (0.5, 0.08))),
        *_cat_face(pose),
    ]


def _cat_face(pose: Pose) -> Drawing:
    whiskers = [
        mark(curve((x, y), (x + 0.2 * side, y + bend)), 0.015)
        for side, x in ((-1, 0.27), (1, 0.63))
        for y, bend in ((0.4, -0.02), (0.44, 0.03))
    ]
    return [
        *eye(0.3, 0.32, 0.065, pose.d, pose),
        *eye(0.6, 0.32, 0.065, pose.d, pose),
        patch("blush", corners((0.41, 0.4), (0.49, 0.4), (0.45, 0.45))),
        mark(curve((0.37, 0.47), (0.41, 0.5), (0.45, 0.45), (0.49, 0.5), (0.53, 0.47)), 0.02),
        *whiskers,
    ]


def dog(pose: Pose) -> Drawing:
    """A standing dog in profile with a floppy ear and its tail up."""
    wag = 0.1 * pose.a
    return [
        line("body", curve((0.86, 0.5), (0.98, 0.34), (1.0 + wag, 0.12)), 0.08),
        *(line("dark", curve((x, 0.7), (x, 0.97)), 0.11) for x in (0.46, 0.74)),
        fill(
            "body",
            blob(
                (0.3, 0.44),
                (0.55, 0.42),
                (0.86, 0.42),
                (0.93, 0.58),
                (0.86, 0.76),
                (0.6, 0.76),
                (0.38, 0.78),
                (0.28, 0.62),
            ),
        ),
        *(line("body", curve((x, 0.66), (x, 0.97)), 0.12) for x in (0.36, 0.84)),
        fill(
            "body",
            blob(
                (0.22, 0.06),
                (0.42, 0.1),
                (0.5, 0.3),
                (0.42, 0.52),
                (0.22, 0.52),
                (0.02, 0.5),
                (-0.04, 0.4),
                (0.06, 0.3),
                (0.12, 0.16),
            ),
        ),
        patch("light", blob((-0.02, 0.4), (0.1, 0.36), (0.16, 0.44), (0.08, 0.5), (0.0, 0.49))),
        fill("ink", ellipse(-0.02, 0.36, 0.055, 0.045)),
        mark(curve((0.0, 0.46), (0.1, 0.47), (0.17, 0.41)), 0.02),
        fill(
            "dark",
            blob((0.32, 0.06), (0.46, 0.08), (0.54, 0.28), (0.48, 0.5), (0.38, 0.46), (0.34, 0.26)),
        ),
        patch("collar", corners((0.26, 0.53), (0.47, 0.46), (0.5, 0.53), (0.28, 0.61))),
        *eye(0.2, 0.24, 0.06, -0.5, pose),
    ]


def rabbit(pose: Pose) -> Drawing:
    """A sitting rabbit from the front with long ears, one of them perhaps bent."""
    lean = 0.12 * pose.a
    ears = ((0.3, -1), (0.7, 1))
    shapes = []
    for x, side in ears:
        tip = x + 0.08 * side + (lean if side > 0 else lean / 3)
        shapes += [
            fill(
                "body",
                blob(
                    (x - 0.1, 0.34),
                    (tip - 0.13, 0.1),
                    (tip, -0.04),
                    (tip + 0.13, 0.1),
                    (x + 0.1, 0.34),
                ),
            ),
            patch(
                "blush",
                blob(
                    (x - 0.04, 0.3),
                    (tip - 0.06, 0.12),
                    (tip, 0.04),
                    (tip + 0.06, 0.12),
                    (x + 0.04, 0.3),
                ),
            ),
        ]
    return [
        *shapes,
        fill(
            "body",
            blob(
                (0.3, 0.6),
                (0.7, 0.6),
                (0.9, 0.8),
                (0.84, 0.98),
                (0.5, 1.0),
                (0.16, 0.98),
                (0.1, 0.8),
            ),
        ),
        patch("light", ellipse(0.5, 0.82, 0.2, 0.16)),
        fill("body", ellipse(0.5, 0.45, 0.38, 0.22)),
        patch("light", ellipse(0.26, 0.97, 0.14, 0.05)),
        patch("light", ellipse(0.74, 0.97, 0.14, 0.05)),
        *eye(0.34, 0.42, 0.06, pose.d, pose),
        *eye(0.66, 0.42, 0.06, pose.d, pose),
        patch("blush", ellipse(0.22, 0.52, 0.07, 0.035)),
        patch("blush", ellipse(0.78, 0.52, 0.07, 0.035)),
        patch("blush", corners((0.45, 0.48), (0.55, 0.48), (0.5, 0.53))),
        mark(curve((0.4, 0.56), (0.45, 0.59), (0.5, 0.54), (0.55, 0.59), (0.6, 0.56)), 0.022),
        patch("cream", corners((0.465, 0.585), (0.535, 0.585), (0.53, 0.63), (0.47, 0.63))),
    ]
