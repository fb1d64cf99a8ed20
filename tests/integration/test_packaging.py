"""The wheel carries everything an installed blipsearch needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


def test_an_installed_wheel_makes_a_library_with_its_own_migrations(
    wheel: Path, tmp_path: Path
) -> None:
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    script = (
        "import blipsearch, sys\n"
        "from blipsearch.library import open_library\n"
        "print(blipsearch.__file__)\n"
        "with open_library(sys.argv[1], create=True) as library:\n"
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
