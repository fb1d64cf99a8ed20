"""An easel to paint settings on: everything is told in fractions of the picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from blipsearch.picturebook.layout import Rng, uniform
from blipsearch.picturebook.paints import RGB, varied

XY = tuple[float, float]


class Easel:
    """A square canvas with a wash of colour on it, and the chance that guides the brush."""

    def __init__(self, size: int, wash: Sequence[tuple[float, RGB]], rng: Rng) -> None:
        """Take a canvas of `size` pixels; `wash` runs from top to bottom as (height, colour)."""
        self.rng = rng
        self.canvas = _washed(size, [(at, varied(colour, rng, 8)) for at, colour in wash])
        self._draw = ImageDraw.Draw(self.canvas)
        self._size = size

    def between(self, low: float, high: float) -> float:
        """A number between `low` and `high`, by chance."""
        return uniform(self.rng, low, high)

    def oval(self, centre: XY, rx: float, ry: float, colour: RGB) -> None:
        """A filled ellipse, at least a pixel across."""
        x, y = centre[0] * self._size, centre[1] * self._size
        rx, ry = max(0.5, rx * self._size), max(0.5, ry * self._size)
        self._draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def bar(self, low: XY, high: XY, colour: RGB, *, radius: float = 0.0) -> None:
        """A filled rectangle between two corners, perhaps with round corners of its own."""
        x0, x1 = sorted((low[0] * self._size, high[0] * self._size))
        y0, y1 = sorted((low[1] * self._size, high[1] * self._size))
        if radius:
            self._draw.rounded_rectangle((x0, y0, x1, y1), radius * self._size, fill=colour)
        else:
            self._draw.rectangle((x0, y0, x1, y1), fill=colour)

    def area(self, points: Sequence[XY], colour: RGB) -> None:
        """A filled outline."""
        self._draw.polygon([(x * self._size, y * self._size) for x, y in points], fill=colour)

    def stroke(self, points: Sequence[XY], colour: RGB) -> None:
        """A thin line."""
        width = max(1, round(0.006 * self._size))
        self._draw.line(
            [(x * self._size, y * self._size) for x, y in points], fill=colour, width=width
        )

    def hill(self, at: float, height: float, colour: RGB) -> None:
        """Rolling ground from about `at` down to the bottom."""
        x = np.linspace(0, 1, 25)
        first, second = self.between(0, 6.3), self.between(0, 6.3)
        waves = np.sin(x * self.between(3, 6) + first)
        waves += 0.4 * np.sin(x * self.between(8, 13) + second)
        y = at + height * waves / 1.4
        ground = list(zip(x.tolist(), y.tolist(), strict=True))
        self.area([*ground, (1.0, 1.0), (0.0, 1.0)], varied(colour, self.rng, 7))

    def dots(self, number: int, colour: RGB, heights: XY, radius: float) -> None:
        """Small dots anywhere between two heights."""
        for _ in range(number):
            at, r = (self.rng.random(), self.between(*heights)), radius * self.between(0.6, 1.5)
            self.oval(at, r, r, colour)

    def cloud(self, at: float, colour: RGB) -> None:
        """A cloud of three puffs at the height `at`."""
        x, w = self.rng.random(), self.between(0.09, 0.15)
        for dx, dy, r in ((-0.8, 0.1, 0.45), (0, -0.12, 0.62), (0.75, 0.1, 0.5)):
            self.oval((x + dx * w, at + dy * w), r * w, 0.8 * r * w, colour)


def _washed(size: int, stops: Sequence[tuple[float, RGB]]) -> Image.Image:
    heights = (np.arange(size) + 0.5) / size
    places = [at for at, _ in stops]
    parts = [np.interp(heights, places, [colour[i] for _, colour in stops]) for i in range(3)]
    column = np.stack(parts, axis=1)[:, None].round().astype(np.uint8)  # (size, 1, 3)
    return Image.fromarray(column).resize((size, size), Image.Resampling.NEAREST)
