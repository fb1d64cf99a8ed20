"""A process that has everything imported, and forks for each command and session of the docs.

What runs is the real command line with its own directory, environment, stdin, stdout and stderr; it
is only spared the seconds that importing torch takes. Run as a script with a socket's path it is
that process; `warm_commands` makes the commands that lead to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

IMPORTED = (
    "api.app",
    "blipsearch.blip.pretraining.finetune",
    "blipsearch.cli.describe",
    "blipsearch.cli.finetune",
    "blipsearch.cli.keys",
    "blipsearch.cli.plan",
    "blipsearch.cli.search",
    "blipsearch.local",
    "blipsearch.picturebook.render",
    "indexer.run",
    "uvicorn",
)
SHIM = '''#!{python} -IS
"""Have the warm process run this command, with what this one was given."""

import json, os, signal, socket, sys

asked = json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as warm:
    warm.connect({address!r})
    socket.send_fds(warm, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    warm.sendall(asked)
    process = int.from_bytes(warm.recv(8), "big")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(process, number))
    code = warm.recv(1)
sys.exit(code[0] if code else 143)
'''


@contextlib.contextmanager
def warm_commands(directory: Path) -> Iterator[Path]:
    """A directory with the commands of COMMANDS, quick to start while this lasts."""
    with TemporaryDirectory() as short:  # a socket's path may not have many characters
        address = Path(short) / "warm"
        _write_shims(directory, address)
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(address)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "warm\n"
                yield directory
            finally:
                os.killpg(process.pid, signal.SIGTERM)  # and whatever it forked that still runs


def _write_shims(directory: Path, address: Path) -> None:
    for name in COMMANDS:
        shim = directory / name
        shim.write_text(SHIM.format(python=sys.executable, name=name, address=str(address)))
        shim.chmod(0o755)


def _blipsearch(arguments: list[str]) -> int:
    from blipsearch.cli import run

    try:
        run(arguments)
    except SystemExit as exited:
        return exited.code if isinstance(exited.code, int) else 1
    return 0


def _session(_arguments: list[str]) -> int:
    sys.path.append(str(Path(__file__).parents[1]))
    warnings.simplefilter("error")
    import_module("tests.session").main()
    return 0


def _victim(arguments: list[str]) -> int:
    sys.path.append(str(Path(__file__).parents[1]))
    try:
        import_module("benchmarks.crash_victim").main(arguments)
    except SystemExit as exited:
        return exited.code if isinstance(exited.code, int) else 1
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "blipsearch": _blipsearch,
    "session": _session,
    "victim": _victim,
}


def serve(address: str) -> None:
    """Fork for each command that is asked for, until this process is ended."""
    for name in IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forked
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        sys.stdout.write("warm\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _become(connection)


def _become(connection: socket.socket) -> None:
    """Be the command that was asked for, and end as it ends."""
    header, files, _, _ = socket.recv_fds(connection, 8, 3)
    name, arguments, directory, environment = json.loads(
        _received(connection, int.from_bytes(header, "big"))
    )
    for number, file in enumerate(files):
        os.dup2(file, number)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    connection.sendall(os.getpid().to_bytes(8, "big"))
    code = 1
    try:
        code = COMMANDS[name](arguments)
    except BaseException:  # noqa: BLE001  # as the interpreter does at its end
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    connection.sendall(bytes([code]))
    os._exit(code)


def _received(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            os._exit(1)  # whoever asked is gone
        received += part
    return received


if __name__ == "__main__":
    serve(sys.argv[1])
