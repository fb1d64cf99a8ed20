"""The wheel carries everything an installed blipsearch needs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.reader import CHECKPOINTS, Reader
from tests.readme import README_PAGE, ROOT
from tests.support import draw_picture


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_packages_migrations_and_the_built_in_checkpoint(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        described = archive.read(metadata).decode()

    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"blipsearch", "indexer", "api"}
    assert "blipsearch/migrations/env.py" in names
    assert any(name.startswith("blipsearch/migrations/versions/0001") for name in names)
    assert "blipsearch/demo/templates/page.html" in names
    assert "blipsearch/filters/grammar.lark" in names
    for task in ("itm", "caption", "vqa"):
        assert f"blipsearch/picturebook/checkpoint/{task}/model.safetensors" in names
    assert {"blipsearch/py.typed", "indexer/py.typed", "api/py.typed"} <= set(names)
    requirements = [
        line.removeprefix("Requires-Dist: ")
        for line in described.splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert [name.split(">")[0] for name in requirements] == ["httpx2", "pydantic"]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that a wheel was installed into."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_an_installed_wheel_makes_a_library_with_its_own_migrations(
    installed: Path, tmp_path: Path
) -> None:
    script = (
        "import blipsearch, sys\n"
        "from blipsearch.library import Library\n"
        "print(blipsearch.__file__)\n"
        "with Library.open(sys.argv[1], create=True) as library:\n"
        "    print(len(library.collections()))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "library"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
    )

    where, collections = finished.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert collections == "0"
    assert (tmp_path / "library" / "catalog.sqlite").is_file()


def test_a_new_user_gets_from_nothing_to_the_first_hits_by_the_readme_alone(
    installed: Path, golden: Path, tmp_path: Path
) -> None:
    """Photos, checkpoints and the wheel: no library, no setting, no other help."""
    place = tmp_path / "place"
    (place / "photos").mkdir(parents=True)
    for colour in ("red", "green", "blue", "yellow"):
        draw_picture(place / "photos" / f"{colour}.jpg", colour)
    for name, task in CHECKPOINTS.items():
        shutil.copytree(golden / task, place / name)
    blocks = README_PAGE.section("Your own pictures")

    reader = Reader(place, environment_of_a_new_user(installed, tmp_path))
    try:
        for block in blocks:
            reader.follow(block)
    finally:
        reader.leave()

    assert {"console", "python"} <= {block.language for block in blocks}
    assert (tmp_path / "home/.local/share/blipsearch/catalog.sqlite").is_file()
    assert (place / "hits.jpg").is_file()


def environment_of_a_new_user(installed: Path, directory: Path) -> dict[str, str]:
    """A shell's environment in which `blipsearch` is the wheel's, and nothing else is set."""
    commands = directory / "bin"
    commands.mkdir()
    (directory / "home").mkdir()
    session = f"import sys; sys.path.append({str(ROOT)!r}); from tests.session import main; main()"
    for name, arguments in (("blipsearch", "-m blipsearch"), ("session", f'-c "{session}"')):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} -P {arguments} "$@"\n')
        (commands / name).chmod(0o755)
    own = {name: os.environ[name] for name in ("LANG", "OMP_NUM_THREADS") if name in os.environ}
    return own | {
        "HOME": str(directory / "home"),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(installed),
        "HF_HUB_OFFLINE": "1",
    }
