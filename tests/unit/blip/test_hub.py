"""Checkpoints from the Hub: downloaded once, then from the cache; one clear error for each failure.

A small server plays the Hub for processes of their own, because the Hub's address, the cache and
the offline switch are read from the environment when they start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REQUIRED = ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.txt")
ERRORS = {
    "unknown": (404, "RepoNotFound"),
    "private": (401, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "down": (500, ""),
}

FIND = """
import json, sys
from blipsearch.blip.find import find_checkpoint
from blipsearch.errors import BlipSearchError
answers = {}
for name in sys.argv[1:]:
    repository, _, revision = name.partition("@")
    try:
        files = find_checkpoint(repository, "itm", revision=revision or None)
    except BlipSearchError as error:
        answers[name] = [error.code, str(error)]
    else:
        names = sorted(path.name for path in files.directory.iterdir())
        answers[name] = ["found", files.revision, str(files.directory), names]
print(json.dumps(answers))
"""


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as a download needs."""

    repositories: ClassVar[dict[str, Path]]

    def do_HEAD(self) -> None:  # the server calls it so
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own."""

    def _answer(self, *, send_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if is_api else parts[:2])
        rest = parts[4:] if is_api else parts[2:]
        if name not in self.repositories:
            status, code = ERRORS[name.split("/")[1]]
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})
        elif "missing-revision" in rest:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif is_api:
            self._describe(self.repositories[name], tree="tree" in rest)
        elif name == "tiny/listed":
            # The Hub shows everyone what files a gated repository has.
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        else:
            content = (self.repositories[name] / rest[-1]).read_bytes()
            headers = {"ETag": f'"{hash(content):x}"', "X-Repo-Commit": COMMIT}
            self._send(200, content, headers, send_body=send_body)

    def _describe(self, folder: Path, *, tree: bool) -> None:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        listing = [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0" * 40}
            for path in files
        ]
        model = {"id": "x/y", "sha": COMMIT, "siblings": [{"rfilename": one.name} for one in files]}
        self._send(200, json.dumps(listing if tree else model).encode(), {})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, send_body: bool = True
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send_body and self.command != "HEAD":
            self.wfile.write(body)


def find(home: Path, names: list[str], **environment: str) -> dict[str, list[Any]]:
    """Find checkpoints in a fresh process with its own cache."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIND, *names],
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return cast("dict[str, list[Any]]", json.loads(ran.stdout))


@pytest.fixture(scope="module")
def repositories(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole checkpoint and a file nobody needs, a twin of it, and one with only a pickle."""
    folder = tmp_path_factory.mktemp("repositories")
    found = {}
    for name, left_out in (
        ("whole", ""),
        ("half", ""),
        ("listed", ""),
        ("pickled", "model.safetensors"),
    ):
        found[f"tiny/{name}"] = folder / name
        (folder / name).mkdir()
        for path in (tiny / "itm").iterdir():
            if not (left_out and path.name.startswith(left_out)):
                (folder / name / path.name).write_bytes(path.read_bytes())
    (folder / "whole" / "tf_model.h5").write_bytes(b"large")
    (folder / "pickled" / "pytorch_model.bin").write_bytes(b"large")
    return found


@pytest.fixture(scope="module")
def hub(repositories: dict[str, Path]) -> Iterator[str]:
    handler = type("ThisHub", (Hub,), {"repositories": repositories})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def online(hub: str, home: Path) -> dict[str, list[Any]]:
    names = ["tiny/whole", "tiny/half", "tiny/pickled", "tiny/whole@missing-revision"]
    names += [f"tiny/{name}" for name in ("listed", *ERRORS)]
    return find(home, names, HF_ENDPOINT=hub)


@pytest.fixture(scope="module")
def offline(online: dict[str, list[Any]], home: Path) -> dict[str, list[Any]]:
    (Path(online["tiny/half"][2]) / "model.safetensors").unlink()
    return find(home, ["tiny/whole", "tiny/half", "tiny/unseen"], HF_HUB_OFFLINE="1")


def test_a_hub_name_is_downloaded_with_only_the_files_it_needs(
    online: dict[str, list[Any]],
) -> None:
    state, revision, _, names = online["tiny/whole"]
    assert (state, revision) == ("found", COMMIT)
    assert set(REQUIRED) <= set(names)
    assert "tf_model.h5" not in names


def test_what_was_downloaded_is_used_again_without_the_hub(
    online: dict[str, list[Any]], offline: dict[str, list[Any]]
) -> None:
    assert offline["tiny/whole"] == online["tiny/whole"]


@pytest.mark.parametrize("name", ["unknown", "private"])
def test_an_unknown_name_says_so(online: dict[str, list[Any]], name: str) -> None:
    code, message = online[f"tiny/{name}"]
    assert code == "checkpoint_not_found"
    assert f"no checkpoint 'tiny/{name}'" in message
    assert "Salesforce/blip-itm-base-coco" in message
    assert "\n" not in message


def test_an_unknown_revision_says_so(online: dict[str, list[Any]]) -> None:
    code, message = online["tiny/whole@missing-revision"]
    assert code == "checkpoint_not_found"
    assert "has no revision 'missing-revision'" in message


@pytest.mark.parametrize("name", ["gated", "listed"])
def test_a_gated_checkpoint_says_how_to_get_in(online: dict[str, list[Any]], name: str) -> None:
    code, message = online[f"tiny/{name}"]
    assert code == "checkpoint_unavailable"
    assert "gated" in message
    assert "hf auth login" in message
    assert "--checkpoint DIR" in message


def test_a_hub_that_fails_says_so(online: dict[str, list[Any]]) -> None:
    code, message = online["tiny/down"]
    assert code == "checkpoint_unavailable"
    assert "cannot be downloaded" in message
    assert "\n" not in message


def test_a_repository_with_only_a_pickle_is_refused(online: dict[str, list[Any]]) -> None:
    code, message = online["tiny/pickled"]
    assert code == "checkpoint_unavailable"
    assert "has no model.safetensors" in message
    assert "only a pickle" in message


def test_offline_and_half_downloaded_say_what_to_do(offline: dict[str, list[Any]]) -> None:
    for name in ("tiny/half", "tiny/unseen"):
        code, message = offline[name]
        assert code == "checkpoint_unavailable"
        assert "offline mode is on (HF_HUB_OFFLINE)" in message
        for remedy in ("--checkpoint DIR", "HF_HOME", "`builtin`"):
            assert remedy in message
        assert "\n" not in message


def test_a_hub_that_does_not_answer_says_so(tmp_path: Path) -> None:
    answers = find(tmp_path, ["tiny/whole"], HF_ENDPOINT="http://127.0.0.1:9")
    code, message = answers["tiny/whole"]
    assert code == "checkpoint_unavailable"
    assert "the Hub does not answer" in message
