"""The interface for programs, over a real server: what it answers, and what it refuses."""

from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families
from snapshots import AT, AT_S, Shelf, chain, node, snapshot, span, trace
from web_server import serving

from app.engine.moments import rfc3339
from app.web.moments import duration_s, moment

TRACE = trace("a1" * 16, [span("root", None, 0.0, 20.0), span("child", "root", 5.0, 10.0)])
SLO_PATHS = ("slo", "alerts", "changes")  # tests/test_web_slos.py, tests/test_web_changes.py
LINES = [{"time": AT, "service": "prod/bank/ledger", "level": "error", "body": "lock wait timeout", "trace_id": None}]


@pytest.fixture(scope="module")
def shelf():
    """An engine with one kept trace and one log line."""
    return Shelf(traces=[TRACE], lines=LINES)


@pytest.fixture(scope="module")
def client(shelf):
    """A client of a server whose clock stands still."""
    with serving(shelf, clock=lambda: AT_S) as client:
        yield client


def ids(answer):
    """The names of the nodes of an answer, sorted."""
    return sorted(one["name"] for one in answer.json()["nodes"])


def test_the_graph_is_the_snapshot(client):
    """Without a filter the whole snapshot comes back, every field as the engine made it."""
    answer = client.get("/api/v1/graph")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == chain()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("domain=accounts", ["ledger", "ledger-db"]),
        ("layer=channel", ["web"]),
        ("zone=b", ["ledger"]),
        ("q=health:burning", ["ledger"]),
        ("q=err>10% or kind:database", ["ledger", "ledger-db"]),
        ("q=", ["ledger", "ledger-db", "mail", "orders", "web"]),
        ("focus=prod/bank/orders", ["ledger", "orders", "web"]),
        ("focus=prod/bank/orders&depth=0", ["orders"]),
        ("focus=prod/bank/orders&depth=2", ["ledger", "ledger-db", "orders", "web"]),
        ("focus=prod/bank/orders&depth=2&domain=accounts", ["ledger", "ledger-db"]),
        ("domain=nowhere", []),
    ],
)
def test_parts_of_the_graph(client, query, names):
    """Focus with depth goes both ways, the other filters narrow it, and paths stay only between what is left."""
    answer = client.get("/api/v1/graph?" + quote(query, safe="=&:/"))
    assert ids(answer) == names
    kept = {one["id"] for one in answer.json()["nodes"]}
    assert all({one["source"], one["target"]} <= kept for one in answer.json()["edges"])


def test_window_and_moment_reach_the_engine(client, shelf):
    """A window in minutes and a moment before now arrive as seconds."""
    client.get("/api/v1/graph?window=15m&at=now-15m")
    assert shelf.asked[-1] == ("snapshot", 900, AT_S - 900)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("graph?windw=5m", "windw"), ("graph?window=5x", "window"), ("graph?window=0s", "window"),
        ("graph?window=1s", "window"), ("graph?at=yesterday", "at"), ("graph?at=2026-01-01T08:00:00", "at"),
        ("graph?at=1767254400000", "at"), ("graph?depth=-1", "depth"), ("graph?depth=many", "depth"),
        ("graph?q=((", "q"), ("graph?q=err>lots", "q"), ("services/prod/bank/web?depth=1", "depth"),
        ("series?signal=calls", "of"), ("series?of=a&signal=colour", "signal"), ("series?of=a&step=0s", "step"),
        ("series?of=a&from=now-30d&step=10s", "step"), ("traces?limit=0", "limit"), ("traces?limit=1001", "limit"),
        ("traces?min_ms=-1", "min_ms"), ("traces?min_ms=nan", "min_ms"), ("traces?from=now&to=now-1h", "from"),
        ("traces/abc?x=1", "x"), ("logs?trace=<b>", "trace"), ("logs/counts?stp=10s", "stp"), ("sources?all=1", "all"),
        ("quality?all=1", "all"), ("stream?view=7m", "view"), ("stream?window=5m", "window"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(client, path, key):
    """Unknown parameters and bad values are a 400 that names the parameter, never silently everything."""
    answer = client.get("/api/v1/" + path)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["key"], answer.json()["title"]) == (key, "Bad request")
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("graph?focus=prod/bank/nobody", "focus"), ("services/prod/bank/nobody", None), ("series?of=nobody", "of"),
        ("traces/ffff", None), ("slos/x", None), ("typo", None), ("", None),
    ],
)  # fmt: skip
def test_what_is_not_there_is_404(client, path, key):
    """Unknown addresses and unknown things are problem documents, not pages."""
    answer = client.get("/api/v1/" + path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("key") == key


def test_an_id_may_be_encoded_or_not(client):
    """The same node answers to its id as path segments and as one percent-encoded segment."""
    identity = "prod/bank/ledger-db/~database"
    plain, encoded = (client.get(f"/api/v1/services/{one}") for one in (identity, quote(identity, safe="")))
    assert plain.json() == encoded.json()
    assert plain.json()["id"] == identity
    assert [one["id"] for one in plain.json()["callers"]] == ["ledger>db"]


def test_an_id_with_percent_signs_is_found():
    """An id that itself holds an encoded slash is found when sent as it is and when encoded once more."""
    identity = "prod/pay%2Fments/%E8%AE%A2%E5%8D%95"
    with serving(Shelf(snapshot([node("x", id=identity)]))) as client:
        for sent in (identity, quote(identity, safe="")):
            assert client.get(f"/api/v1/services/{sent}").json()["id"] == identity


def test_series_are_columns_with_times(client, shelf):
    """Times are RFC 3339 in UTC with milliseconds, unknown figures null, and the step is chosen when not given."""
    answer = client.get("/api/v1/series?of=prod/bank/web&signal=calls,p95&from=2026-01-01T07:59:30Z&to=now&step=10s")
    assert answer.json() == {
        "times": ["2026-01-01T07:59:30.000Z", "2026-01-01T07:59:40.000Z", "2026-01-01T07:59:50.000Z"],
        "calls": [1.0, 1.0, None], "p95": [1.0, 1.0, None],
    }  # fmt: skip
    client.get("/api/v1/series?of=prod/bank/web&from=now-1h")
    assert shelf.asked[-1] == ("series", "prod/bank/web", ("calls", "errors", "p95"), AT_S - 3600, AT_S, 30)


def test_traces_and_logs(client, shelf):
    """Lists come as lists, one trace with its spans, log counts as columns, and a pattern narrows lines."""
    client.get("/api/v1/traces?service=prod/bank/ledger&min_ms=5&errors=true&limit=3")
    assert shelf.asked[-1] == ("traces", "prod/bank/ledger", 5.0, True, AT_S - 3600, AT_S, 3)
    assert [one["trace_id"] for one in client.get("/api/v1/traces").json()] == [TRACE["trace_id"]]
    assert client.get("/api/v1/traces/" + TRACE["trace_id"]).json() == TRACE
    assert client.get("/api/v1/logs").json() == LINES
    assert client.get("/api/v1/logs?pattern=deadlock").json() == []
    counts = client.get("/api/v1/logs/counts?from=2026-01-01T07:00:00Z").json()
    assert counts == {"times": ["2026-01-01T07:00:00.000Z"], "levels": {"info": [5], "error": [0]}}


def test_wrong_times_are_told_by_their_own_name(client):
    """A time before another is the fault of `from`, too many points that of `step`."""
    reversed_ = client.get("/api/v1/series?of=a&from=now&to=now-1h")
    crowded = client.get("/api/v1/series?of=a&from=now-30d&to=now&step=10s")
    assert (reversed_.status_code, reversed_.json()["key"]) == (400, "from")
    assert (crowded.status_code, crowded.json()["key"]) == (400, "step")


def test_state_of_the_product(client, shelf):
    """Sources and quality come as the engine counts them."""
    assert client.get("/api/v1/sources").json() == shelf.sources()
    assert client.get("/api/v1/quality").json() == {"spans": 48_000, "lost_parents": 3, "pending": 120}


def test_unknown_is_null():
    """Not-a-number never leaves the house."""
    with serving(Shelf(snapshot([node("web", p95_ms=float("nan"), error_ratio=float("inf"))]))) as client:
        text = client.get("/api/v1/graph").text
        assert '"p95_ms":null' in text
        assert '"error_ratio":null' in text


def test_positions_are_written(client, shelf):
    """Pinned positions reach the engine; anything else in the body is refused with its key."""
    assert client.put("/api/v1/positions", json={"prod/bank/web": {"x": 12.5, "y": -3}}).status_code == 204
    assert shelf.pinned == {"prod/bank/web": (12.5, -3.0)}
    places = ({"x": 1}, {"x": 1, "y": 2, "z": 3}, {"x": "left", "y": 0}, {"x": 1e9, "y": 0}, [1, 2])
    for body in ([1], *({"a": place} for place in places)):
        answer = client.put("/api/v1/positions", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert shelf.pinned == {"prod/bank/web": (12.5, -3.0)}


def test_reading_addresses_take_no_writes(client):
    """A method that an address does not know is 405 with what it allows."""
    for send in ({"json": {}}, {}, {"data": {"a": "b"}}):
        answer = client.post("/api/v1/graph", **send)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        assert answer.headers["content-type"] == "application/problem+json"
    assert [client.request(method, "/metrics").status_code for method in ("DELETE", "PUT", "OPTIONS")] == [405] * 3


@pytest.mark.parametrize("path", ["graph", "graph?window=x", "openapi.json", "stream", "nothing"])
def test_a_head_is_what_a_get_begins_with(client, path):
    """HEAD answers as GET does without the body, also where a GET would never end."""
    with client.stream("GET", f"/api/v1/{path}") as full:
        answer = client.head(f"/api/v1/{path}")
        assert (answer.status_code, answer.content) == (full.status_code, b"")
        assert answer.headers["content-type"] == full.headers["content-type"]


def test_a_parameter_given_twice_is_refused(client):
    """Of two values one would be ignored, so neither is taken."""
    answer = client.get("/api/v1/graph?window=5m&at=now&window=1h")
    assert (answer.status_code, answer.json()["key"]) == (400, "window")


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/metrics", "/healthz", "/readyz"])
def test_addresses_without_parameters_take_none(client, path):
    """An unknown parameter is a 400 with its name everywhere."""
    answer = client.get(path + "?windw=5m")
    assert (answer.status_code, answer.json()["key"]) == (400, "windw")


def test_a_body_that_is_no_json_names_no_key(client):
    """A broken body is said to be that; a place in it is not the name of a parameter."""
    for body in (b'{"a":', b"\xff\xfe", b""):
        answer = client.put("/api/v1/positions", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, "key" in answer.json()) == (400, False)
    shelf_says = client.put("/api/v1/positions", json={"prod/bank/gone": {"x": 1, "y": 2}})
    assert (shelf_says.status_code, shelf_says.json()["key"]) == (404, "prod/bank/gone")


def test_openapi_describes_every_address(client):
    """The description lists the addresses and the parameters that are accepted."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    listed = {"graph", "services/{service_id}", "series", "traces", "traces/search", "traces/{trace_id}", "logs",
              "logs/counts", "logs/patterns", "logs/stream", "sources", "registry", "alike", "quality", "stream",
              "positions"}  # fmt: skip
    assert {path for one in paths if not (path := one.removeprefix("/api/v1/")).startswith(SLO_PATHS)} == listed
    parameters = {one["name"] for one in paths["/api/v1/graph"]["get"]["parameters"]}
    assert parameters == {"window", "at", "focus", "depth", "domain", "layer", "zone", "q"}


def test_probes_and_metrics(client, shelf):
    """Alive at once, ready once loaded, and the exposition is valid Prometheus text with the documented names."""
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").status_code == 200
    shelf.loaded = False
    assert client.get("/readyz").status_code == 503
    shelf.loaded = True
    families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
    quality = {one.labels["counter"]: one.value for one in families["synoptic_quality"].samples}
    assert quality == {"spans": 48_000, "lost_parents": 3, "pending": 120}
    assert families["synoptic_source_up"].samples[0].value == 1
    assert families["synoptic_tick_seconds"].samples[0].value == 0.25
    assert "synoptic_viewers" in families
    assert "process_resident_memory_bytes" in families


@pytest.mark.parametrize(
    ("text", "epoch_s"),
    [
        ("2026-01-01T08:00:00Z", AT_S), ("2026-01-01T16:00:00+08:00", AT_S), ("2026-01-01 16:00:00 08:00", AT_S),
        ("2026-01-01t08:00:00.250z", AT_S + 0.25), ("1767254400", AT_S), ("1767254400.5", AT_S + 0.5), ("now", 1000.0),
        ("now-15m", 100.0), ("now-300s", 700.0), ("now-1h", -2600.0),
    ],
)  # fmt: skip
def test_moments_as_people_type_them(text, epoch_s):
    """RFC 3339 with any offset, epoch seconds, now and now minus a duration mean the same as on a clock."""
    assert moment(text).at(1000.0) == epoch_s


@pytest.mark.parametrize("text", ["", "now+1h", "now-", "2026-13-01T00:00:00Z", "1e9", "-5", "２０２６", "inf"])
def test_other_moments_are_refused(text):
    """Anything else is a ValueError, whatever a standard library would make of it."""
    with pytest.raises(ValueError, match=r".+"):
        moment(text)


def test_durations_and_times_read_back():
    """Durations carry a unit or are seconds, and a written time is read as the same moment."""
    assert [duration_s(text) for text in ("5m", "300s", "1h", "2d", "90")] == [300, 300, 3600, 172_800, 90]
    assert moment(rfc3339(AT_S + 0.123)).at(0) == pytest.approx(AT_S + 0.123, abs=1e-6)
