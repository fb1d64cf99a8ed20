"""Things that take people places."""

from blipsearch.picturebook.drawings.shapes import (
    Drawing,
    Pose,
    arc,
    blob,
    corners,
    curve,
    ellipse,
    fill,
    joined,
    line,
    mark,
    patch,
    rounded,
)


def boat(pose: Pose) -> Drawing:
    """A sailing boat with two sails."""
    wind = 0.05 * pose.a
    return [
        line("wood", corners((0.5, 0.0), (0.5, 0.74)), 0.045),
        fill(
            "body", curve((0.54, 0.02), (0.78 + wind, 0.26), (0.94, 0.6), (0.54, 0.6), (0.54, 0.02))
        ),
        fill("light", corners((0.46, 0.14), (0.46, 0.6), (0.08, 0.6))),
        mark(curve((0.56, 0.42), (0.72, 0.44), (0.86, 0.4)), 0.025, "light"),
        fill("sun", corners((0.5, -0.04), (0.5, 0.07), (0.34, 0.015 + wind / 2))),
        fill(
            "body",
            blob(
                (0.0, 0.68),
                (0.3, 0.71),
                (0.7, 0.71),
                (1.0, 0.68),
                (0.92, 0.86),
                (0.78, 0.99),
                (0.5, 1.0),
                (0.22, 0.99),
                (0.08, 0.86),
            ),
        ),
        patch(
            "cream",
            joined(
                curve((0.04, 0.77), (0.3, 0.8), (0.7, 0.8), (0.96, 0.77)),
                curve((0.94, 0.83), (0.7, 0.86), (0.3, 0.86), (0.06, 0.83)),
            ),
        ),
    ]


def car(pose: Pose) -> Drawing:
    """A round little car in profile."""
    roof = 0.05 * pose.a
    return [
        fill(
            "body",
            joined(
                curve(
                    (0.16, 0.48), (0.28, 0.14), (0.44, 0.0 + roof), (0.62, 0.02 + roof), (0.8, 0.48)
                ),
                corners((0.8, 0.6), (0.16, 0.6)),
            ),
        ),
        fill(
            "body",
            blob(
                (0.04, 0.5),
                (0.2, 0.42),
                (0.5, 0.42),
                (0.84, 0.42),
                (0.98, 0.54),
                (1.0, 0.76),
                (0.9, 0.86),
                (0.5, 0.86),
                (0.1, 0.86),
                (0.0, 0.76),
            ),
        ),
        patch(
            "glass",
            joined(curve((0.27, 0.42), (0.34, 0.2), (0.46, 0.1 + roof)), corners((0.48, 0.42))),
        ),
        patch(
            "glass",
            joined(
                corners((0.53, 0.42), (0.52, 0.1 + roof)),
                curve((0.6, 0.11 + roof), (0.68, 0.22), (0.73, 0.42)),
            ),
        ),
        mark(corners((0.3, 0.38), (0.38, 0.2)), 0.02, "cream"),
        mark(curve((0.505, 0.46), (0.5, 0.78)), 0.018, "dark"),
        mark(corners((0.56, 0.54), (0.63, 0.54)), 0.03, "dark"),
        patch("dark", rounded(0.02, 0.72, 0.98, 0.8, 0.03)),
        patch("sun", ellipse(0.03, 0.58, 0.045, 0.065)),
        patch("flame", ellipse(0.97, 0.6, 0.03, 0.05)),
        *_wheel(0.24, 0.84, 0.125, pose),
        *_wheel(0.76, 0.84, 0.125, pose),
    ]


def train(pose: Pose) -> Drawing:
    """A steam engine in profile."""
    puff = 0.04 * pose.a
    return [
        fill(
            "smoke",
            blob(
                (0.2, 0.06),
                (0.28, -0.06 + puff),
                (0.42, -0.08),
                (0.52, -0.02 + puff),
                (0.5, 0.1),
                (0.34, 0.13),
            ),
        ),
        fill(
            "dark",
            corners((0.16, 0.12), (0.34, 0.12), (0.3, 0.22), (0.3, 0.46), (0.2, 0.46), (0.2, 0.22)),
        ),
        fill("dark", arc(0.46, 0.42, 0.07, 0.14, 180, 360)),
        fill("body", rounded(0.06, 0.4, 0.7, 0.76, 0.08)),
        fill("body", corners((0.6, 0.16), (0.98, 0.16), (0.98, 0.78), (0.6, 0.78))),
        fill("dark", rounded(0.54, 0.06, 1.04, 0.18, 0.05)),
        patch("lamp", rounded(0.68, 0.26, 0.9, 0.46, 0.03)),
        mark(corners((0.46, 0.42), (0.46, 0.74)), 0.025, "light"),
        mark(corners((0.28, 0.42), (0.28, 0.74)), 0.025, "light"),
        patch("sun", ellipse(0.08, 0.52, 0.045, 0.06)),
        fill("dark", corners((0.0, 0.94), (0.1, 0.72), (0.98, 0.72), (0.98, 0.84), (0.14, 0.84))),
        *_wheel(0.24, 0.87, 0.1, pose),
        *_wheel(0.47, 0.87, 0.1, pose),
        *_wheel(0.8, 0.83, 0.135, pose),
        mark(corners((0.24, 0.87), (0.47, 0.87), (0.8, 0.87)), 0.03, "cream"),
    ]


def _wheel(x: float, y: float, radius: float, pose: Pose) -> Drawing:
    return [
        fill("tyre", ellipse(x, y, radius, radius * pose.aspect)),
        patch("cream", ellipse(x, y, radius * 0.5, radius * 0.5 * pose.aspect)),
        patch("tyre", ellipse(x, y, radius * 0.18, radius * 0.18 * pose.aspect)),
    ]
