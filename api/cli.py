"""`blipsearch serve`: the HTTP query service."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from blipsearch.options import (
    DeviceOption,
    DtypeOption,
    LibraryOption,
    MatchDtypeOption,
    MaxMegapixelsOption,
    make_app,
)

app = make_app()


@app.command()
def serve(  # noqa: PLR0913  # a command's options are its interface
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    demo: Annotated[
        bool, typer.Option("--demo", help="First build the demo collection if it is not there.")
    ] = False,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    match_dtype: MatchDtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
) -> None:
    """Answer searches over HTTP (the API's description is at /docs)."""
    import uvicorn

    from api.app import create_app
    from blipsearch.demo import ensure_demo
    from blipsearch.errors import SettingsError
    from blipsearch.library import open_library
    from blipsearch.settings import make_settings
    from indexer.progress import drawing, indexing

    if host not in {"127.0.0.1", "localhost", "::1"}:
        raise SettingsError(
            f"refusing to listen on {host!r}: the service has no keys yet, so it serves this "
            "machine only; put a proxy that asks for a password before it, or leave out --host"
        )
    settings = make_settings(
        library=library,
        device=device,
        dtype=dtype,
        match_dtype=match_dtype,
        max_megapixels=max_megapixels,
    )
    if demo:
        with drawing() as on_drawn, indexing() as on_indexed:
            ensure_demo(settings, on_drawn=on_drawn, on_indexed=on_indexed)
    with open_library(settings.library) as opened:
        names = [info.name for info in opened.collections()]
    if not names:
        raise SettingsError(
            f"the library {settings.library} has no collections; fill it with "
            "`blipsearch index FOLDER`, or start with `blipsearch serve --demo`"
        )
    sys.stderr.write(f"serving {', '.join(names)} on http://{host}:{port} (description: /docs)\n")
    uvicorn.run(create_app(settings), host=host, port=port, log_level="warning")
