"""What the panel says of logs: error lines by operation, how many are known, and services that only log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from engine_run import Run
from plotly.utils import PlotlyJSONEncoder
from test_log_health import logged as health
from test_log_operations import logged, served

from app.web.language import Messages
from app.web.options import WebOptions
from app.web.panel import Content, Panel
from app.web.wording import Wording

W = Wording(Messages(WebOptions().assets))


def panel(run: Run, node_id: str) -> Content:
    """The panel of a node over the last five minutes."""
    made = Panel(run.engine, W, "/", run.clock)
    return asyncio.run(made.content({"id": node_id}, {"window": "5m"}))


def texts(content: Content) -> list[str]:
    """Every text in a panel, in order."""
    parts = [json.loads(json.dumps(one, cls=PlotlyJSONEncoder)) for one in (*content.above, *content.below)]
    return [*_texts(parts)]


def _texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        return _texts(part.get("props", {}).get("children"))
    if isinstance(part, list):
        return [text for one in part for text in _texts(one)]
    return [str(part)] if part not in (None, "") else []


def test_operations_have_a_column_of_error_lines_and_say_how_many_are_known(tmp_path):
    """Where a service logs errors; one that does not has no such column."""
    run = Run(tmp_path)
    logged(run, "orders", b"k" * 16, b"k" * 16, b"o" * 16)
    served(run, b"k" * 16, ("web", "GET /shop", False), ("orders", "POST /orders", True))
    run.settle(20)
    said = texts(panel(run, "default//orders"))
    assert "error lines" in said
    assert any("2 of 3 error lines in known operations" in text for text in said)
    row = said.index("POST /orders", said.index("Operation"))
    assert said[row + 4] == "2"
    assert "error lines" not in texts(panel(run, "default//web"))


def test_the_panel_of_a_service_that_only_logs_says_so_and_nothing_of_calls(tmp_path):
    """Its lines are its figures; callers, latencies and charts of calls, which nobody saw, are left out."""
    run = Run(tmp_path)
    health(run, "batch", 1000, 200)
    found = panel(run, "default//batch")
    said = texts(found)
    assert any("logs only" in text for text in said)
    assert said[said.index("Log lines") + 1] == "1,000"
    assert said[said.index("Error lines") + 1] == "200"
    assert "Log lines are no errors" in said
    assert not {"Callers", "Callees", "p50 / p99"} & {*said}
    assert found.charts is None


def test_patterns_say_from_how_many_lines_they_come_only_where_some_were_not_read(tmp_path):
    """All lines of a storm are counted, the newest are read."""
    run = Run(tmp_path)
    logged(run, "orders", *[b""] * 300)
    logged(run, "ledger", b"")
    run.step()
    assert any("100 lines · from 100 of 300 error lines" in text for text in texts(panel(run, "default//orders")))
    assert not any("error lines ·" in text for text in texts(panel(run, "default//ledger")))
