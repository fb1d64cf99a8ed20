"""The Dockerfile and compose.yaml keep their promises, as far as they show without an engine."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.readme import README, ROOT

NEEDED = ("api", "blipsearch", "indexer", "migrations", "constraints.txt", "pyproject.toml")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    value: str


def instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(name, value.strip()) for name, value in words]


DOCKERFILE = instructions()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def values(name: str) -> list[str]:
    return [one.value for one in DOCKERFILE if one.name == name]


def copied() -> list[str]:
    return [source for value in values("COPY") for source in shlex.split(value)[:-1]]


def test_the_base_image_is_pinned_and_nothing_is_fetched_by_hand() -> None:
    (base,) = values("FROM")

    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)
    runs = " ".join(values("RUN"))
    assert not re.search(r"curl|wget|apt-get|git ", runs)
    assert not values("ADD")


def test_packages_are_installed_as_the_readme_installs_them_in_the_tested_versions() -> None:
    (command,) = re.findall(r"^pip install --constraint .*$", README, re.MULTILINE)
    (run,) = [value for value in values("RUN") if "pip install" in value]

    shown = shlex.split(command)
    built = [word for word in shlex.split(run) if "mount" not in word and "version" not in word]
    assert [word.replace("$ENGINE", "cpu") for word in built] == shown
    assert "ENGINE=cpu" in values("ARG")


def test_what_is_copied_is_there_is_not_ignored_and_makes_the_wheel(tmp_path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert set(NEEDED) <= set(copied())
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied())
    for name in copied():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(source, tmp_path / name)

    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )

    assert list((tmp_path / "dist").glob("blipsearch-*.whl"))


def test_it_runs_as_a_user_who_owns_nothing_but_the_library_and_the_cache() -> None:
    names = [one.name for one in DOCKERFILE]
    (user,) = values("USER")
    (volumes,) = values("VOLUME")
    (owned,) = [value for value in values("RUN") if "useradd" in value]

    assert int(user) >= 1000
    assert f"--uid {user}" in owned
    assert json.loads(volumes) == ["/library", "/cache"]
    assert owned.endswith("/library /cache")
    assert names.index("USER") > names.index("VOLUME")
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_the_environment_puts_what_is_written_into_the_volumes() -> None:
    given = dict(pair.split("=", 1) for value in values("ENV") for pair in value.split())

    assert given["BLIPSEARCH_LIBRARY"] == "/library"
    assert given["HF_HOME"] == "/cache"


def test_it_serves_where_the_port_and_the_health_check_are() -> None:
    (command,) = values("CMD")
    (entry,) = values("ENTRYPOINT")
    (port,) = values("EXPOSE")
    (health,) = values("HEALTHCHECK")

    assert json.loads(entry) == ["blipsearch"]
    assert json.loads(command) == ["serve", "--host", "0.0.0.0", "--port", port]
    assert f":{port}/healthz" in health


class _Health(BaseHTTPRequestHandler):
    """Answers /healthz with 200 and everything else with 404."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def healthy() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health_check(port: int, path: str = "/healthz") -> int:
    """Run the image's own check, at another port; through no proxy, whatever is set."""
    (health,) = values("HEALTHCHECK")
    program, *arguments = json.loads(health.split(" CMD ", 1)[1])
    assert program == "python"
    here = [one.replace(":8000/healthz", f":{port}{path}") for one in arguments]
    return subprocess.run(
        [sys.executable, *here],
        check=False,
        capture_output=True,
        env={"http_proxy": "http://127.0.0.1:9"},
    ).returncode


def test_the_health_check_passes_only_where_the_service_answers(healthy: int) -> None:
    assert health_check(healthy) == 0
    assert health_check(healthy, "/gone") == 1
    assert health_check(9) == 1


def test_each_service_is_shut_to_the_network_and_to_what_it_need_not_do() -> None:
    assert set(SERVICES) == {"blipsearch", "blipsearch-gpu"}
    for service in SERVICES.values():
        assert service["ports"] == ["127.0.0.1:8000:8000"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "command" not in service
        assert "entrypoint" not in service
        assert "user" not in service


def test_each_service_keeps_what_is_written_in_named_volumes_and_only_reads_pictures() -> None:
    for service in SERVICES.values():
        named, pictures = service["volumes"][:2], service["volumes"][2]
        assert named == ["library:/library", "cache:/cache"]
        assert pictures.endswith(":/photos:ro")
    assert set(COMPOSE["volumes"]) == {"library", "cache"}


def test_the_gpu_has_an_engine_a_profile_and_a_device_of_its_own() -> None:
    cpu, gpu = SERVICES["blipsearch"], SERVICES["blipsearch-gpu"]

    assert (cpu["build"]["args"]["ENGINE"], gpu["build"]["args"]["ENGINE"]) == ("cpu", "gpu")
    assert cpu["image"] != gpu["image"]
    assert "profiles" not in cpu
    assert gpu["profiles"] == ["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    declared = {value.split("=")[0] for value in values("ARG")}
    for service in (cpu, gpu):
        assert set(service["build"]["args"]) <= declared
