"""A picture is read from whatever a caller has it in."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from blipsearch.errors import ImageUnreadableError
from blipsearch.pictures import Picture
from tests.support import draw_picture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    draw_picture(tmp_path / "boat.jpg", "red")
    return tmp_path / "boat.jpg"


def test_a_path_gives_the_files_bytes_and_its_name(path: Path) -> None:
    assert Picture.of(path) == Picture(path.read_bytes(), "boat.jpg")
    assert Picture.of(str(path)) == Picture.of(path)


def test_bytes_have_no_name(path: Path) -> None:
    assert Picture.of(path.read_bytes()) == Picture(path.read_bytes())


def test_an_open_file_is_read_and_stays_open(path: Path) -> None:
    with path.open("rb") as file:
        assert Picture.of(file) == Picture(path.read_bytes(), "boat.jpg")
        assert not file.closed
    assert Picture.of(io.BytesIO(b"abc")) == Picture(b"abc")


def test_an_open_file_without_a_path_has_no_name(path: Path) -> None:
    with path.open("rb", buffering=0) as file, open(file.fileno(), "rb", closefd=False) as again:
        assert Picture.of(again).name == ""


def test_a_pil_image_keeps_every_pixel() -> None:
    image = Image.effect_noise((40, 30), 80).convert("RGB")

    read = Image.open(io.BytesIO(Picture.of(image).content))

    assert read.tobytes() == image.tobytes()


def test_a_pil_image_that_png_cannot_hold_says_what_to_do() -> None:
    with pytest.raises(ImageUnreadableError, match="convert it to RGB"):
        Picture.of(Image.new("F", (4, 4)))


def test_a_file_that_is_not_there_is_an_unreadable_image(tmp_path: Path) -> None:
    with pytest.raises(ImageUnreadableError, match="No such file"):
        Picture.of(tmp_path / "none.jpg")


@pytest.mark.parametrize("wrong", [17, io.StringIO("text"), object()])
def test_what_is_no_picture_is_refused_with_what_would_be(wrong: object) -> None:
    with pytest.raises(ImageUnreadableError, match="a file opened with 'rb'"):
        Picture.of(wrong)  # type: ignore[arg-type]


def test_pil_is_not_loaded_to_tell_what_a_picture_is(path: Path) -> None:
    script = (
        "import sys; from blipsearch.pictures import Picture\n"
        f"Picture.of({str(path)!r}); Picture.of(b'abc')\n"
        "sys.exit('PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
