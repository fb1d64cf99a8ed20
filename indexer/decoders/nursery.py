"""The nursery: a small process that has everything a decoder needs loaded, and forks decoders.

A decoder must never be a fork of a process with torch's threads, and starting Python anew for each
costs a fifth of a second. `multiprocessing` has a fork server, too, but its children import the
program's main module again, be it what it may: a script without a guard, or one that loads torch.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection

from indexer.decoders.worker import run_worker

__all__ = ["Nursery", "serve", "shared_nursery"]

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ALLOCATOR = {
    # A fixed threshold: glibc would raise it with the first large picture, and then keep as much.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 20),
    "MALLOC_ARENA_MAX": "1",
}
_LONGEST_MESSAGE = 64
_REAP_SECONDS = 5.0
_CLOSE_SECONDS = 5.0


class Nursery:
    """Starts decoder processes; safe to call from several threads."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from indexer.decoders.nursery import serve; serve({theirs.fileno()})"
        )
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # ourselves
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, **_ALLOCATOR},
            )
        self._control = ours
        self._lock = threading.Lock()
        self._owner = os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether it can start decoders, in this process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def start(self) -> tuple[Connection, int]:
        """Start a decoder process; returns the connection to it and its process id.

        Raises OSError where it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = int(self._request(b"start", [theirs.fileno()]))
            except (OSError, ValueError):
                ours.close()
                raise
        return Connection(ours.detach()), pid

    def ended(self, pid: int) -> int | None:
        """How a decoder ended, as `subprocess` says it: below 0 by that signal. None: not yet."""
        answer = self._request(b"wait %d" % pid, [])
        return None if answer == b"?" else int(answer)

    def kill(self, pid: int) -> None:
        """End a decoder now, if it has not ended yet."""
        with contextlib.suppress(OSError):  # without a nursery, decoders end by themselves
            self._request(b"kill %d" % pid, [])

    def close(self) -> None:
        """End the nursery; decoders end with the connections to them."""
        self._control.close()
        if self._owner != os.getpid():
            return
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _request(self, message: bytes, descriptors: list[int]) -> bytes:
        with self._lock:
            socket.send_fds(self._control, [message], descriptors)
            answer = self._control.recv(_LONGEST_MESSAGE)
        if not answer:
            raise OSError("the process that starts decoders has ended")
        return answer


_lock = threading.Lock()
_nurseries: list[Nursery] = []


def shared_nursery() -> Nursery:
    """The nursery of this process, started at the first call and ended with the process."""
    with _lock:
        if not _nurseries or not _nurseries[-1].is_alive:
            for old in _nurseries:
                old.close()
            _nurseries[:] = [Nursery()]
        return _nurseries[-1]


@atexit.register
def _close() -> None:
    for nursery in _nurseries:
        nursery.close()


def serve(descriptor: int) -> None:
    """Be the nursery: fork decoders as they are asked for, until the asking process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what is loaded stays shared with the children
    ended: dict[int, int] = {}
    with socket.socket(fileno=descriptor) as control, contextlib.suppress(ConnectionError):
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, _LONGEST_MESSAGE, 1)
            if not message:
                return
            what, *about = message.split()
            if what == b"start":
                answer = _start(control, descriptors[0], ended)
            elif what == b"kill":
                answer = _kill(int(about[0]), ended)
            else:
                answer = _status(int(about[0]), ended)
            control.sendall(answer)


def _start(control: socket.socket, descriptor: int, ended: dict[int, int]) -> bytes:
    _reap(ended)
    try:
        pid = os.fork()
    except OSError:
        os.close(descriptor)
        return b"none"
    if pid == 0:
        try:
            control.close()
            _silence()
            run_worker(Connection(descriptor))
        finally:
            os._exit(0)
    os.close(descriptor)
    ended.pop(pid, None)  # an earlier child's of the same number
    return b"%d" % pid


def _silence() -> None:
    """Send what C libraries say about odd files nowhere: the reasons are reported anyway."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _kill(pid: int, ended: dict[int, int]) -> bytes:
    """Kill a child that is not reaped yet: its number can belong to no other process."""
    _reap(ended)
    if pid not in ended:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return b"killed"


def _status(pid: int, ended: dict[int, int]) -> bytes:
    """Say how a child ended that was seen to hang up, which it does a moment before it ends."""
    until = time.monotonic() + _REAP_SECONDS
    while pid not in ended and time.monotonic() < until:
        _reap(ended)
        time.sleep(0.005)
    return b"%d" % ended.pop(pid) if pid in ended else b"?"


def _reap(ended: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended[pid] = os.waitstatus_to_exitcode(status)
