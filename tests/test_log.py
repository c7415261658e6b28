"""The program's own log: readable, complete, and without secrets."""

import io
import json
import logging

import pytest
import structlog

from app import log


@pytest.fixture
def lines():
    """Configures the log as JSON and gives a function that reads what was written; puts everything back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("info", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_event_carries_time_level_logger_and_its_values(lines):
    """An event is one JSON line with a UTC time, its level, who said it, and its values."""
    structlog.get_logger("synoptic.test").info("started", port=8050)
    [event] = lines()
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "started", "level": "info", "logger": "synoptic.test", "port": 8050}


def test_libraries_speak_in_the_same_shape(lines):
    """What a library logs becomes the same kind of line, below the level nothing."""
    logging.getLogger("library").warning("took %d s", 3)
    logging.getLogger("library").debug("not asked for")
    [event] = lines()
    assert (event["event"], event["level"], event["logger"]) == ("took 3 s", "warning", "library")


def test_a_cluster_that_cannot_be_reached_fills_no_log(lines):
    """What the client of Elasticsearch says at every try is not repeated; other libraries' warnings are lines."""
    logging.getLogger("elastic_transport.node_pool").warning("Node has failed for 3 times in a row")
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("elasticsearch").warning("deprecated")
    assert [event["event"] for event in lines()] == ["deprecated"]


@pytest.mark.parametrize(
    "say",
    [
        lambda: structlog.get_logger("x").info("call", authorization="Bearer hush"),
        lambda: structlog.get_logger("x").info("call", api_key="hush", otlp_token="hush"),
        lambda: structlog.get_logger("x").info("sent authorization: Bearer hush"),
        lambda: structlog.get_logger("x").info("calling http://user:hush@es:9200/_search"),
        lambda: logging.getLogger("x").warning("header %s", "Bearer hush"),
        lambda: logging.getLogger("x").warning("to %s", "http://user:hush@es:9200"),
    ],
)
def test_secret_never_reaches_the_log(lines, say):
    """Telling keys, bearer tokens and passwords in addresses are replaced, also in what libraries say."""
    say()
    [event] = lines()
    assert "hush" not in json.dumps(event)
    assert "***" in json.dumps(event)


def test_exception_is_logged_with_its_trace(lines):
    """An error keeps its trace, on the same line."""
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("x").exception("tick failed")
    [event] = lines()
    assert "RuntimeError: broken" in event["exception"]
