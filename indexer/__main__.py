"""`python -m indexer SOURCE...`: the same as `blipsearch index SOURCE...`."""

from __future__ import annotations

from blipsearch.edge import exit_on_error
from indexer.cli import app

if __name__ == "__main__":
    with exit_on_error():
        app(prog_name="python -m indexer")
