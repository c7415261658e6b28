"""The program's own log: one line an event on standard error, for people or as JSON, never with a secret in it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

_SECRET_KEY = re.compile(r"authori[sz]ation|cookie|passw|secret|token|api[_-]?key", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s\"',;]+|(://)[^/\s:@]+:[^/\s@]+(?=@)")
Event = MutableMapping[str, Any]
LEAST = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "elasticsearch": logging.WARNING,
         "elastic_transport": logging.ERROR}
"""Of libraries that note every request they make only warnings are worth a line; and not those of the last one, which
come with a trace every time a cluster cannot be reached: our own line says that."""


def configure(level: str = "info", form: str = "console", stream: TextIO | None = None) -> None:
    """Sends the events of this program and of its libraries to `stream` (standard error). `form`: console or json."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacted,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-1], _finished, redacted],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in LEAST.items():
        logging.getLogger(name).setLevel(max(root.level, least))


def redacted(_logger: Any, _method: str, event: Event) -> Event:
    """The event without secrets: the values of telling keys, bearer tokens, passwords in addresses."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub(lambda found: f"{found[1] or found[2]}***", value)
    return event


def _finished(_logger: Any, _method: str, event: Event) -> Event:
    # a library's arguments are put into its text before redaction, or a token among them would pass
    record = event.get("_record")
    if record is not None and record.args:
        event["event"] = record.getMessage()
        record.args = ()
    return event


def _renderer(form: str, stream: TextIO) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
