"""Measures how near duplicates are told from other pictures, and how long a collection takes.

    python -m benchmarks.duplicates --photos DIR [--checkpoint builtin] [--images 100000]

Copies of every photo, rescaled, recompressed and otherwise changed, are compared with their
originals; the photos with each other; and the picture-book's scenes with their twins, in which one
thing is another. For each pair of limits: the share of copies that are found, and how many pairs
of different pictures pass for duplicates. Then a collection of random hashes and vectors with
planted copies is gone through.
"""

import argparse
import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.duplicates import Likeness, near_duplicates
from blipsearch.images import open_image, perceptual_hash
from blipsearch.library import Library
from blipsearch.picturebook import draw_scene, render, twin
from blipsearch.picturebook.world import DIFFERENCES
from blipsearch.records import Exif, ImageFile, IndexedFile

MAX_PIXELS = 200_000_000
DISTANCES = (4, 8, 10, 12, 16)
COSINES = (0.0, 0.8, 0.9, 0.95, 0.97)
TWINS = 100
PICTURE_SIZE = 384

Floats = npt.NDArray[np.float32]
Change = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The picture after a trip through a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def scaled(image: Image.Image, share: float) -> Image.Image:
    """The picture with sides of this share."""
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """The middle of the picture, without this share of its sides."""
    dx, dy = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """The picture turned a little, on black."""
    return image.rotate(degrees, Image.Resampling.BICUBIC)


FILES: dict[str, Change] = {
    "JPEG 85": lambda one: jpeg(one, 85),
    "JPEG 30": lambda one: jpeg(one, 30),
    "half size": lambda one: scaled(one, 0.5),
    "quarter size, JPEG 60": lambda one: jpeg(scaled(one, 0.25), 60),
    "twice the size": lambda one: scaled(one, 2.0),
}
LIGHT: dict[str, Change] = {
    "brighter by 15 %": lambda one: ImageEnhance.Brightness(one).enhance(1.15),
    "darker by 25 %": lambda one: ImageEnhance.Brightness(one).enhance(0.75),
    "more contrast, 30 %": lambda one: ImageEnhance.Contrast(one).enhance(1.3),
    "grey": lambda one: one.convert("L").convert("RGB"),
}
CUTS: dict[str, Change] = {
    "cropped by 2 %": lambda one: cropped(one, 0.02),
    "cropped by 5 %": lambda one: cropped(one, 0.05),
    "cropped by 10 %": lambda one: cropped(one, 0.10),
    "turned by 1 degree": lambda one: turned(one, 1),
    "turned by 3 degrees": lambda one: turned(one, 3),
}
OTHERS: dict[str, Change] = {
    "cropped by 25 %": lambda one: cropped(one, 0.25),
    "turned by 90 degrees": lambda one: one.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda one: one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@dataclass(frozen=True)
class Pairs:
    """How far pairs of pictures are apart: bits (n,) and cosines (n,)."""

    distances: npt.NDArray[np.int64]
    cosines: Floats

    def within(self, distance: int, cosine: float) -> int:
        """How many pass for duplicates."""
        return int(np.sum((self.distances <= distance) & (self.cosines >= cosine)))


class Seen:
    """Pictures as a comparison sees them."""

    def __init__(self, retriever: BlipRetriever, pictures: Iterator[Image.Image]) -> None:
        hashes: list[int] = []
        features: list[Floats] = []
        while some := list(islice(pictures, 16)):
            hashes += [perceptual_hash(one) for one in some]
            features.append(retriever.get_image_features(some))
        self.hashes = np.array(hashes, dtype=np.uint64)
        self.features = np.concatenate(features)

    def beside(self, other: "Seen") -> Pairs:
        """Each picture with the one of the same number."""
        return Pairs(
            np.bitwise_count(self.hashes ^ other.hashes).astype(np.int64),
            np.einsum("nd,nd->n", self.features, other.features),
        )

    def among(self) -> Pairs:
        """Each picture with each other one."""
        left, right = np.triu_indices(len(self.hashes), 1)
        return Pairs(
            np.bitwise_count(self.hashes[left] ^ self.hashes[right]).astype(np.int64),
            np.einsum("nd,nd->n", self.features[left], self.features[right]),
        )


def photos(folder: Path) -> list[Image.Image]:
    """All of them, whole."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    return [open_image(path, max_pixels=MAX_PIXELS).image for path in files]


def measure_likeness(retriever: BlipRetriever, originals: list[Image.Image]) -> None:
    """Print how far copies, photos and twins are apart, and what each pair of limits lets in."""
    own = Seen(retriever, iter(originals))
    copies = {
        name: own.beside(Seen(retriever, (change(one) for one in originals)))
        for name, change in (FILES | LIGHT | CUTS | OTHERS).items()
    }
    different = own.among()
    twins = measure_twins(retriever)
    others = {"different photos": different} | {f"twins: {name}": p for name, p in twins.items()}
    limits = Likeness()
    print(
        f"{len(originals)} photos, {retriever.identity.name}; found: at most "
        f"{limits.hash_distance} bits and a cosine of {limits.cosine}\n"
    )
    print("| copies | pairs | bits, median | bits, 95 % | cosine, 5 % | cosine, median | found |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, pairs in copies.items():
        print(_row(name, pairs, low=False))
    print(
        "\n| different pictures | pairs | bits, least | bits, 1 % | cosine, 99 % | cosine, most "
        "| found |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, pairs in others.items():
        print(_row(name, pairs, low=True))
    _print_limits(
        [[copies[name] for name in kind] for kind in (FILES, LIGHT, CUTS)],
        [[different], list(twins.values())],
    )


def _print_limits(alike: list[list[Pairs]], different: list[list[Pairs]]) -> None:
    """Print what each pair of limits lets in: shares of the copies, numbers of the others."""
    totals = [sum(len(one.distances) for one in some) for some in different]
    print(
        f"\n| bits | cosine | rescaled, recompressed | light, colour | crops, turns "
        f"| of {totals[0]} photo pairs | of {totals[1]} twins |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for distance, cosine in product(DISTANCES, COSINES):
        shares = [
            sum(one.within(distance, cosine) for one in some)
            / sum(len(one.distances) for one in some)
            for some in alike
        ]
        wrong = [sum(one.within(distance, cosine) for one in some) for some in different]
        print(
            f"| {distance} | {cosine:.2f} | "
            + " | ".join(f"{one:.3f}" for one in shares)
            + f" | {wrong[0]} | {wrong[1]} |"
        )


def measure_twins(retriever: BlipRetriever) -> dict[str, Pairs]:
    """Scenes beside the same scene with one thing changed, by what is changed."""
    found: dict[str, Pairs] = {}
    for name in DIFFERENCES:
        scenes = (draw_scene(number, split="new_scenes") for number in count())
        both = ((scene, twin(scene, name, scene.seed)) for scene in scenes)
        pairs = list(islice(((one, other) for one, other in both if other is not None), TWINS))
        found[name] = Seen(retriever, (render(one, PICTURE_SIZE) for one, _ in pairs)).beside(
            Seen(retriever, (render(other, PICTURE_SIZE) for _, other in pairs))
        )
    return found


def _row(name: str, pairs: Pairs, *, low: bool) -> str:
    bits = np.quantile(pairs.distances, (0.0, 0.01) if low else (0.5, 0.95))
    cosines = np.quantile(pairs.cosines, (0.99, 1.0) if low else (0.05, 0.5))
    limits = Likeness()
    return (
        f"| {name} | {len(pairs.distances)} | {bits[0]:.0f} | {bits[1]:.0f} | "
        f"{cosines[0]:.3f} | {cosines[1]:.3f} | "
        f"{pairs.within(limits.hash_distance, limits.cosine) / len(pairs.distances):.3f} |"
    )


def measure_time(images: int, dim: int) -> None:
    """Print how long a collection of random images takes, with copies and one long film in it."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 1 << 64, images, dtype=np.uint64)
    vectors = rng.standard_normal((images, dim)).astype(np.float32)
    planted = images // 20
    hashes[planted : 2 * planted] = hashes[:planted] ^ np.uint64(0b101)
    vectors[planted : 2 * planted] = vectors[:planted] + 0.1 * vectors[planted : 2 * planted]
    film = slice(2 * planted, 3 * planted)  # all of them alike
    hashes[film] = hashes[film.start] ^ (np.uint64(1) << rng.integers(0, 64, planted, np.uint64))
    vectors[film] = vectors[film.start] + 0.1 * vectors[film]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder), create=True) as library,
    ):
        identity = BlipRetriever.from_pretrained("builtin").identity
        with library.create_collection("random", identity) as collection:
            _write(collection, hashes, vectors)
            began = time.perf_counter()
            found = near_duplicates(collection, Likeness())
            seconds = time.perf_counter() - began
    sizes = [len(group) for group in found.groups]
    print(f"\n{images:,} images: {seconds:.1f} s, {len(sizes):,} groups, the largest {sizes[0]:,}")
    print(f"planted: {planted:,} pairs and one group of {planted:,}")


def _write(collection: Collection, hashes: npt.NDArray[np.uint64], vectors: Floats) -> None:
    source = collection.add_source("/random").id
    step = 5000
    for start in range(0, len(hashes), step):
        collection.write(
            [
                IndexedFile(
                    file=ImageFile(source, f"{number:07}.jpg", 1000, number),
                    sha256=hashlib.sha256(str(number).encode()).hexdigest(),
                    perceptual_hash=int(hashes[number]),
                    width=640,
                    height=480,
                    format="JPEG",
                    exif=Exif(),
                    embedding=vectors[number],
                )
                for number in range(start, min(start + step, len(hashes)))
            ]
        )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description="Near duplicates: limits, and time.")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--checkpoint", default="builtin")
    parser.add_argument("--images", type=int, default=100_000)
    arguments = parser.parse_args()
    if arguments.photos is not None:
        retriever = BlipRetriever.from_pretrained(arguments.checkpoint)
        measure_likeness(retriever, photos(arguments.photos))
    if arguments.images:
        measure_time(arguments.images, BlipRetriever.from_pretrained("builtin").dim)


if __name__ == "__main__":
    main()
