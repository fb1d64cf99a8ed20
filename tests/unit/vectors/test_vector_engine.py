"""Without faiss, or with faiss installed twice, the error says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_TRY = """
import sys
sys.path[:0] = sys.argv[2:]
if sys.argv[1] == "hidden":
    sys.modules["faiss"] = None  # what Python does for a module that cannot be imported
from blipsearch.errors import EngineMissingError
try:
    import blipsearch.vectors
except EngineMissingError as error:
    print(error)
"""


def _import_in_a_fresh_interpreter(faiss: str, *folders: Path) -> str:
    command = [sys.executable, "-c", _TRY, faiss, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_without_faiss_both_extras_are_named() -> None:
    said = _import_in_a_fresh_interpreter("hidden")
    assert "pip install 'blipsearch[gpu]'" in said
    assert "pip install 'blipsearch[cpu]'" in said


def test_two_faiss_packages_are_refused_with_what_to_uninstall(tmp_path: Path) -> None:
    for name in ("faiss_cpu", "faiss_gpu"):
        record = tmp_path / f"{name}-1.15.1.dist-info"
        record.mkdir()
        project = name.replace("_", "-")
        (record / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.15.1\n"
        )
    said = _import_in_a_fresh_interpreter("shown", tmp_path)
    assert "faiss-cpu and faiss-gpu are installed together" in said
    assert "pip uninstall -y faiss-cpu faiss-gpu" in said


def test_one_faiss_package_is_fine() -> None:
    assert _import_in_a_fresh_interpreter("shown") == ""
