"""`blipsearch serve`: the HTTP query service and its search page."""

from __future__ import annotations

import logging
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.options import (
    DeviceOption,
    DtypeOption,
    LibraryOption,
    MatchDtypeOption,
    MaxMegapixelsOption,
    make_app,
)

if TYPE_CHECKING:
    from api.settings import ServiceSettings
    from blipsearch.settings import Settings

app = make_app()
logger = logging.getLogger("blipsearch.service")

STOP_SECONDS = 10
"""How long requests have to end once the service was told to stop."""
BACKLOG = 2048
"""Connections that wait to be accepted; as many as uvicorn lets wait."""


@app.command()
def serve(  # noqa: PLR0913  # a command's options are its interface
    *,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on (default: 127.0.0.1).")
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one (default: 8000).")] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="First build the demo collection if it is not there.")
    ] = False,
    preload: Annotated[
        bool | None,
        typer.Option(
            "--preload",
            help="Load the captioning and answering checkpoints at the start, and keep them.",
        ),
    ] = None,
    caption_checkpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="The checkpoint that captions.")
    ] = None,
    answer_checkpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="The checkpoint that answers questions.")
    ] = None,
    queue: Annotated[
        int | None, typer.Option(help="Requests that may wait; beyond them 503 (default: 32).")
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Requests of an API key (default: 1200/minute)."),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A site whose pages may ask; may be given again."),
    ] = None,
    image_urls: Annotated[
        bool | None,
        typer.Option("--image-urls", help="Let searches name public pictures by their URL."),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(help="auto (JSON unless on a terminal), console or json (default: auto)."),
    ] = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    match_dtype: MatchDtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
) -> None:
    """Answer searches over HTTP, and serve a search page at /.

    Everything else is set by BLIPSEARCH_SERVICE_... in the environment; see docs/service.md.
    """
    from api.settings import ServiceSettings
    from blipsearch.demo import ensure_demo
    from blipsearch.settings import built_settings, make_settings
    from indexer.progress import drawing, indexing

    service = built_settings(
        ServiceSettings,
        {
            "host": host,
            "port": port,
            "preload": preload,
            "queue": queue,
            "rate_limit": rate_limit,
            "cors": tuple(cors) if cors else None,
            "image_urls": image_urls,
            "log_format": log_format,
        },
    )
    settings = make_settings(
        library=library,
        caption_checkpoint=caption_checkpoint,
        answer_checkpoint=answer_checkpoint,
        device=device,
        dtype=dtype,
        match_dtype=match_dtype,
        max_megapixels=max_megapixels,
    )
    if demo:
        with drawing() as on_drawn, indexing() as on_indexed:
            ensure_demo(settings, on_drawn=on_drawn, on_indexed=on_indexed)
    names = _checked_library(settings, service)
    with _bound_socket(service) as bound:
        _run(settings, service, names, bound)


def _checked_library(settings: Settings, service: ServiceSettings) -> list[str]:
    """The names of the library's collections; refuses what must not be served."""
    from api.security import is_loopback
    from blipsearch.errors import SettingsError
    from blipsearch.library import Library

    with Library.open(settings.library) as opened:
        names = [info.name for info in opened.collections()]
        has_keys = opened.keys.exist()
    if not names:
        raise SettingsError(
            f"the library {settings.library} has no collections; fill it with "
            "`blipsearch index FOLDER`, or start with `blipsearch serve --demo`"
        )
    if not is_loopback(service.host) and not has_keys:
        raise SettingsError(
            f"refusing to listen on {service.host!r}: the library has no API keys, so it is served "
            "to this machine only; make one with `blipsearch keys add NAME`, or leave out --host"
        )
    return names


def _bound_socket(service: ServiceSettings) -> socket.socket:
    from blipsearch.errors import SettingsError

    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    # With its protocol named, asyncio turns off Nagle's delay, which would cost 40 ms an answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((service.host, service.port))
        bound.listen(BACKLOG)  # who reads that it serves may connect, and waits for the start
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"cannot listen on {service.host}:{service.port}: {error.strerror}; "
            "choose another with --port, 0 takes a free one"
        ) from error
    return bound


def _run(
    settings: Settings, service: ServiceSettings, names: list[str], bound: socket.socket
) -> None:
    import uvicorn

    from api.app import create_app
    from api.observe import configure_logging

    configure_logging(service.log_format, sys.stderr)
    shown = f"[{service.host}]" if ":" in service.host else service.host
    logger.info("serving %s on http://%s:%d", ", ".join(names), shown, bound.getsockname()[1])
    config = uvicorn.Config(
        create_app(settings, service),
        log_config=None,  # its records go through the handler that is there
        log_level="warning",
        access_log=False,  # a request is one line, written by the observer
        server_header=False,
        proxy_headers=False,  # who asks is told by keys: what a client writes proves nothing
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[bound])
