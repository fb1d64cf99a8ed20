"""Where errors become exit codes: shared by `blipsearch` and `python -m indexer`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from blipsearch.errors import BlipSearchError

__all__ = ["ExitCode", "exit_on_error"]


class ExitCode(IntEnum):
    """What the command line's exit status means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SOME_IMAGES_FAILED = 3
    INTERRUPTED = 130


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an error of blipsearch into one line on stderr and exit code 1.

    Ctrl-C exits with 130 and a closed pipe on stdout (`| head`) with 0. Errors that are not
    blipsearch's own are bugs and keep their traceback.
    """
    try:
        yield
    except BlipSearchError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(ExitCode.FAILED) from error
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        # Python would complain again when it flushes stdout at exit.
        sys.stderr.close()
        raise SystemExit(ExitCode.OK) from None
