"""How log records look: readable lines for a person, JSON lines for a program."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["configure_logging"]


def configure_logging(log_format: str, stream: TextIO) -> None:
    """Send every log record of this process to a stream, one line each; for edges only.

    `log_format` is `json`, `console`, or `auto`: console where the stream is a terminal. All
    records take the same way: those of the library, of uvicorn, of other packages (from WARNING
    on) and Python's warnings. Handlers that were there before are replaced.
    """
    terminal = stream.isatty()
    as_json = log_format == "json" or (log_format == "auto" and not terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_json_formatter() if as_json else _console_formatter(colors=terminal))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("blipsearch").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def _json_formatter() -> logging.Formatter:
    return _formatter(
        TimeStamper(fmt="iso", utc=True), format_exc_info, JSONRenderer(ensure_ascii=False)
    )


def _console_formatter(*, colors: bool) -> logging.Formatter:
    # The plain traceback: the rich one would show local variables, and queries are among them.
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
    return _formatter(TimeStamper(fmt="%H:%M:%S", utc=False), _readable, renderer)


def _formatter(*last: Processor) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=(
            structlog.contextvars.merge_contextvars,
            add_log_level,
            add_logger_name,
            ExtraAdder(),
        ),
        processors=(ProcessorFormatter.remove_processors_meta, _tidy, *last),
    )


def _tidy(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second copy of its messages, which holds codes for a terminal."""
    event.pop("color_message", None)
    return event


def _readable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put what a request was and how it ended first, and its stages last."""
    event.pop("logger", None)
    stages = event.pop("stages", {})
    if "route" in event:
        event["event"] = f"{event.pop('method')} {event.pop('route')} {event.pop('status')}"
    return {**event, **stages}
