"""A Python session for blocks of the docs: code as JSON on stdin, what it printed on stdout."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback


def main() -> None:
    """Run one piece of code a line, all in one namespace, until stdin ends."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    answers = sys.stdout
    for line in sys.stdin:
        printed, error = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(json.loads(line), "<block>", "exec"), namespace)  # noqa: S102  # its job
            except BaseException:  # noqa: BLE001  # whatever it is, the page is wrong
                error = traceback.format_exc()
        answers.write(json.dumps({"printed": printed.getvalue(), "error": error}) + "\n")
        answers.flush()
