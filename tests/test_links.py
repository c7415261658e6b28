"""Links to other tools: filled, escaped, shown only where enough is known."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

import pytest
from dash.development.base_component import Component
from finders import line
from plotly.utils import PlotlyJSONEncoder
from snapshots import AT, AT_S, Shelf, span, trace
from web_server import serving

from app.configuration import load
from app.finding import Finding
from app.links import Link, filled, of_line
from app.searching import Searches
from app.web.language import Messages
from app.web.options import WebOptions
from app.web.panel import Panel
from app.web.trace_pages import TracePages
from app.web.wording import Wording
from topology.errors import ConfigurationError

KIBANA = Link("Kibana", "https://kibana.example/app/logs?q=trace.id:%22{trace_id}%22&t={from}&s={service}")
GRAFANA = Link("Grafana", "https://grafana.example/d/x?var-service={service}&from={from_ms}&to={to_ms}")
LINE = {"time": AT, "service": "prod/bank/ledger%20%26%20co", "level": "error", "body": "x", "trace_id": "ab",
        "span_id": None, "instance": "i 1"}


def test_places_are_filled_and_escaped():
    """Whatever a value holds, it stays one value of the address; times are five minutes around the line."""
    kibana, grafana = filled([KIBANA, GRAFANA], of_line(LINE, 1_000_000.0))
    assert kibana == {"name": "Kibana", "url": "https://kibana.example/app/logs?q=trace.id:%22ab%22"
                      "&t=1970-01-12T13%3A41%3A40.000Z&s=ledger%20%26%20co"}
    assert grafana["url"] == "https://grafana.example/d/x?var-service=ledger%20%26%20co&from=999700000&to=1000300000"


def test_a_link_is_shown_only_where_all_its_places_are_known():
    """A line without a trace has no link that needs one."""
    assert [one["name"] for one in filled([KIBANA, GRAFANA], of_line({**LINE, "trace_id": None}, 0.0))] == ["Grafana"]


@pytest.mark.parametrize(("url", "fault"), [
    ("https://a.example/{service}", ""), ("https://a.example/{password}", "links[0].url"),
    ("https://{service}.example/", "links[0].url"), ("javascript:alert(1)", "links[0].url"),
])
def test_addresses_that_cannot_be_are_faults_of_the_configuration(tmp_path, url, fault):
    """A misspelt place, a host that a value would choose, and what is no address are found when it is read."""
    file = tmp_path / "synoptic.yaml"
    file.write_text(f'links: [{{name: x, url: "{url}"}}]')
    if not fault:
        assert load(file, {}).links == (Link("x", url),)
        return
    with pytest.raises(ConfigurationError) as refused:
        load(file, {})
    assert [one.key for one in refused.value.faults] == [fault]


def test_lines_carry_their_links_over_the_interface():
    """Lists and searches give every line the links that fit it."""
    shelf = Shelf(lines=[LINE])
    shelf.at_hand = [line("x")]
    with serving(shelf, options=WebOptions(links=(GRAFANA,)), clock=lambda: AT_S) as client:
        listed = client.get("/api/v1/logs").json()[0]["links"]
        assert [one["name"] for one in listed] == ["Grafana"]
        assert '"links":[{"name":"Grafana"' in client.get("/api/v1/logs/stream").text


def outside(content: Sequence[Component | None]) -> list[str]:
    """The addresses outside that a page leads to."""
    return re.findall(r'"(https://[^"]+)"', json.dumps(list(content), cls=PlotlyJSONEncoder))


def test_the_panel_of_a_service_leads_to_other_tools():
    """A service has the links that need no line and no trace, for the hour up to the moment that is looked at."""
    shelf, w = Shelf(), Wording(Messages(WebOptions().assets))
    panel = Panel(shelf, w, "/", lambda: 1_000_000.0, (KIBANA, GRAFANA))
    found = asyncio.run(panel.content({"id": "prod/bank/ledger"}, {}))
    assert outside(found.above) == ["https://grafana.example/d/x?var-service=ledger&from=996400000&to=1000000000"]


def test_the_page_of_a_trace_leads_to_other_tools():
    """A trace has the links that need its id."""
    shelf, w = Shelf(traces=[trace("ab", [span("a", None, 0, 5)])]), Wording(Messages(WebOptions().assets))
    pages = TracePages(shelf, Finding(Searches({}), shelf), w, "/", (KIBANA,))
    (address,) = outside(pages.one("ab"))
    assert address.startswith("https://kibana.example/app/logs?q=trace.id:%22ab%22&t=")
