"""The `blipsearch` command: starts the command line, or says which extra is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

ENGINE = ("typer", "rich", "pydantic_settings", "sqlalchemy", "alembic", "PIL", "numpy", "faiss")
ENGINE_HEAVY = ("torch", "transformers")


def main() -> None:
    """Run the command line; exit with 1 and a hint when the engine is not installed.

    `pip install blipsearch` alone is the SDK; the command needs one of the two engine extras.
    """
    missing = [name for name in ENGINE + ENGINE_HEAVY if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"error: the search engine is not installed (missing: {', '.join(missing)}); run "
            "`pip install 'blipsearch[cpu]'`, or 'blipsearch[gpu]' with an NVIDIA GPU\n"
        )
        raise SystemExit(1)
    # Only now: the command line itself is part of the engine.
    from blipsearch.cli import run

    run()


if __name__ == "__main__":
    main()
