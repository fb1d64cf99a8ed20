"""A folder of pictures that somebody works in while it is indexed again and again."""

import hashlib
import random
from pathlib import Path

from blipsearch.testing import sample_image

SUBFOLDERS = ("", "below", "below/deeper", "beside")


class WorkedFolder:
    """Pictures that are added, edited, moved, copied and deleted at random, the same for a seed.

    No two contents are alike but for copies. `copied` are the contents, as SHA-256 in hex, that
    more than one file has or had.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.copied: set[str] = set()
        self._chance = random.Random(seed)
        self._number = 0
        for name in SUBFOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)

    def add(self, count: int) -> None:
        """Add so many pictures."""
        for _ in range(count):
            self._draw(self._new_path())

    def spoil(self) -> None:
        """Add a file that is no picture though its name says so."""
        (self.root / "broken.jpg").write_bytes(b"no picture at all")

    def change(self, times: int) -> None:
        """Do so many things of the kinds that people do."""
        deeds = (self._edit, self._move, self._move, self._copy, self._delete, self._touch)
        for _ in range(times):
            pictures = sorted(self.root.rglob("*.png"))
            if len(pictures) < len(SUBFOLDERS) or self._chance.random() < 0.3:
                self.add(1)
            else:
                self._chance.choice(deeds)(self._chance.choice(pictures))

    def contents(self) -> dict[str, str]:
        """The SHA-256, in hex, of each file by its path below the root."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def _new_path(self) -> Path:
        self._number += 1
        return self.root / self._chance.choice(SUBFOLDERS) / f"{self._number:04}.png"

    def _draw(self, path: Path) -> None:
        size = (64 + self._chance.randrange(64), 64 + self._chance.randrange(64))
        sample_image(self._chance.randrange(1 << 30), size=size).save(path)

    def _edit(self, picture: Path) -> None:
        self._draw(picture)

    def _move(self, picture: Path) -> None:
        picture.rename(self._new_path())

    def _copy(self, picture: Path) -> None:
        content = picture.read_bytes()
        self._new_path().write_bytes(content)
        self.copied.add(hashlib.sha256(content).hexdigest())

    def _delete(self, picture: Path) -> None:
        picture.unlink()

    def _touch(self, picture: Path) -> None:
        picture.touch()
