"""SLOs for programs, over a real server: lists and filters, one of them with its parts, files for spreadsheets."""

import csv
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families
from slo_entries import AT_S, WINDOWS, entry, many
from snapshots import Shelf
from web_server import serving

from app.web.slo_metrics import slo_metrics
from app.web.slo_section import about
from app.web.slo_table import COLUMNS, row
from app.web.slo_words import percent_of
from app.web.spreadsheet import as_csv

MONTH_S = 30 * 86_400
SLOS = [
    entry("web-availability"),
    entry("ledger-availability", "burning", domain="accounts", budget_left=0.41),
    entry("orders-latency", "at_risk", kind="latency", threshold_ms=250.0, target="0.95"),
    entry("mail-availability", "no_data", default=True, **{"class": "low"}),
    entry("pay/history", "exhausted"),
    entry("a:b%2Fc"),
]


@pytest.fixture(scope="module")
def shelf():
    """An engine with one SLO in every state."""
    return Shelf(slos=SLOS)


@pytest.fixture(scope="module")
def client(shelf):
    """A client of a server whose clock stands still."""
    with serving(shelf, clock=lambda: AT_S) as client:
        yield client


def names(answer):
    """The names in a list of SLOs."""
    return [one["name"] for one in answer.json()]


def sheet(answer):
    """The rows of a file, by column."""
    return list(csv.DictReader(answer.text.removeprefix("\ufeff").splitlines()))


def test_the_list_is_what_the_engine_says_with_times_as_text(client):
    """Every field of every SLO comes back; moments are RFC 3339 in UTC with milliseconds, counts stay integers."""
    found = client.get("/api/v1/slos").json()
    assert [one["name"] for one in found] == [one["name"] for one in SLOS]
    burning = found[1]
    assert burning["since"] == "2026-01-01T07:36:00.000Z"
    assert burning["alerts"] == [
        {"severity": "page", "long": "1h", "short": "5m", "since": "2026-01-01T07:36:00.000Z"}
    ]
    changed = ("since", "alerts", "evaluated_at")
    assert {k: v for k, v in burning.items() if k not in changed} == {
        k: v for k, v in SLOS[1].items() if k not in changed
    }
    assert isinstance(burning["good"], int)
    assert found[3]["ratio"] is None


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("domain=accounts", ["ledger-availability"]), ("state=at_risk", ["orders-latency"]),
        ("service=prod/bank/web", ["web-availability"]), ("class=low", ["mail-availability"]),
        ("default=true", ["mail-availability"]), ("default=false&domain=accounts", ["ledger-availability"]),
        ("q=health:burning or budget<20%", ["ledger-availability", "orders-latency", "pay/history"]),
        ("q=name~latency", ["orders-latency"]), ("q=账户", []), ("q=err>0.1%", ["pay/history"]), ("domain=nowhere", []),
        ("q=domain:支付 and health:exhausted", ["pay/history"]),
    ],
)  # fmt: skip
def test_filters_narrow_the_list(client, query, wanted):
    """Fields are compared exactly, `q` is the find language; filters add up."""
    assert names(client.get("/api/v1/slos?" + quote(query, safe="=&:/"))) == wanted


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("slos?stat=ok", "stat"), ("slos?state=fine", "state"), ("slos?default=perhaps", "default"),
        ("slos?q=((", "q"), ("slos.csv?x=1", "x"), ("slos/web-availability?window=5m", "window"),
        ("slos/web-availability/history?stp=1h", "stp"), ("slos/web-availability/history?from=now&to=now-1h", "from"),
        ("slos/web-availability/history?step=10s", "step"), ("slos/web-availability/spenders?limit=0", "limit"),
        ("slos/web-availability/what-if?target=99.9", "target"), ("slos/web-availability/what-if?target=1", "target"),
        ("slos/web-availability/what-if?threshold_ms=-1", "threshold_ms"),
        ("slos/web-availability/what-if?threshold_ms=100", "threshold_ms"), ("alerts?opn=true", "opn"),
        ("alerts?severity=loud", "severity"), ("alerts?from=yesterday", "from"), ("slo-table?version=1", "version"),
        ("slo-table?since=-1", "since"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(client, path, key):
    """Unknown parameters and bad values are a problem document with status 400 that names the parameter."""
    answer = client.get("/api/v1/" + path)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["key"] == key


@pytest.mark.parametrize("part", ["", "/history", "/history.csv", "/spenders", "/what-if"])
def test_what_is_not_there_is_404(client, part):
    """A name that no SLO has is a problem document, whatever part of it is asked for."""
    answer = client.get(f"/api/v1/slos/nobody{part}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("name", ["web-availability", "pay/history", "a:b%2Fc"])
def test_a_name_with_slashes_and_colons_is_found(client, shelf, name):
    """A name answers to itself encoded as one segment, also when it ends as the address of a part does."""
    found = client.get("/api/v1/slos/" + quote(name, safe=""))
    assert found.json()["name"] == name
    assert found.json()["rules"][0]["factor"] == 14.4
    client.get(f"/api/v1/slos/{quote(name, safe='')}/history?from=now-1h&step=5m")
    assert shelf.asked[-1] == ("slo_history", name, AT_S - 3600, AT_S, 300)


def test_one_slo_has_its_document_and_its_alerts(client):
    """The entry comes with the document in effect, the rules and what fired before, in RFC 3339."""
    found = client.get("/api/v1/slos/ledger-availability").json()
    assert found["document"]["metadata"] == {"name": "ledger-availability"}
    assert [one["until"] for one in found["alert_history"]][:2] == [None, "2025-12-23T10:00:00.000Z"]


def test_history_is_columns_over_the_period(client, shelf):
    """Without parameters the last 30 days come in about 120 steps; every column is as long as the times."""
    found = client.get("/api/v1/slos/ledger-availability/history").json()
    assert shelf.asked[-1] == ("slo_history", "ledger-availability", AT_S - MONTH_S, AT_S, 21_600)
    assert found["times"][-1] == "2026-01-01T08:00:00.000Z"
    lengths = {len(found[key]) for key in ("times", "good", "total", "budget_left", "ideal")}
    assert lengths | {len(column) for column in found["burn"].values()} == {120}
    assert list(found["burn"]) == list(WINDOWS)


def test_spenders_and_what_if(client):
    """The dearest intervals come with their origins; another target gives another budget over the same counts."""
    dearest = client.get("/api/v1/slos/ledger-availability/spenders?limit=3").json()
    assert [one["share"] for one in dearest] == [0.32, 0.292, 0.264]
    assert dearest[1]["from"] == "2025-12-23T08:00:00.000Z"
    assert dearest[0]["origins"][0]["title"]["zh"] == "账务数据库"
    moved = client.get("/api/v1/slos/ledger-availability/what-if?target=0.9995").json()
    assert (moved["good"], moved["total"]) == (999_410, 1_000_000)
    assert moved["budget_left"] == pytest.approx(1 - 590 / 500)
    slower = client.get("/api/v1/slos/orders-latency/what-if?threshold_ms=500").json()
    assert slower["exact"] is False


def test_alerts_are_asked_for_as_said(client, shelf):
    """Open ones by default; with a time the engine is asked for that time; service and severity narrow, and
    only then `limit` cuts."""
    assert [(one["slo"], one["since"]) for one in client.get("/api/v1/alerts").json()] == [
        ("ledger-availability", "2026-01-01T07:36:00.000Z"), ("orders-latency", "2026-01-01T07:36:00.000Z"),
    ]  # fmt: skip
    assert shelf.asked[-1] == ("alerts", True, None, None)
    client.get("/api/v1/alerts?open=false&from=now-1d&to=now&limit=5")
    assert shelf.asked[-1] == ("alerts", False, AT_S - 86_400, AT_S)
    for narrowed in ("severity=ticket", "severity=ticket&limit=1"):
        assert [one["slo"] for one in client.get(f"/api/v1/alerts?{narrowed}").json()] == ["orders-latency"]
    assert len(client.get("/api/v1/alerts?limit=1").json()) == 1
    assert client.get("/api/v1/alerts?service=prod/bank/web").json() == []


def test_files_for_spreadsheets(client):
    """The list and a history are files with one row each, unknown empty, burns and alerts in columns of their own."""
    answer = client.get("/api/v1/slos.csv?domain=accounts")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="synoptic-slos.csv"'
    (row,) = sheet(answer)
    assert (row["name"], row["target"], row["burn_1h"]) == ("ledger-availability", "0.999", "16.0")
    assert (row["title"], row["alerts"], row["default"]) == ("answered without error", "page:1h/5m", "false")
    assert sheet(client.get("/api/v1/slos.csv?state=no_data"))[0]["ratio"] == ""
    rows = sheet(client.get("/api/v1/slos/ledger-availability/history.csv?step=1d"))
    assert len(rows) == 30
    assert rows[-1]["time"] == "2026-01-01T08:00:00.000Z"
    assert float(rows[-1]["burn_5m"]) > 30


def test_no_cell_becomes_a_formula():
    """A text that a spreadsheet would run is marked as text; numbers below zero stay numbers; quotes are doubled."""
    rows = [["=cmd|' /C calc'!A0", "+1", "-x", "@sum", "\tx", 'a"b,c', -1.5, None, float("nan"), True]]
    lines = as_csv(["=a"], rows).removeprefix("\ufeff").split("\r\n")
    assert lines[0] == "'=a"
    assert next(csv.reader([lines[1]])) == [
        "'=cmd|' /C calc'!A0", "'+1", "'-x", "'@sum", "'\tx", 'a"b,c', "-1.5", "", "", "true",
    ]  # fmt: skip


def test_the_table_of_the_page_is_packed_for_who_takes_it(client):
    """Packed and plain hold the same rows, and say which they are."""
    packed = client.get("/api/v1/slo-table")
    plain = client.get("/api/v1/slo-table", headers={"accept-encoding": "identity"})
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    columns, row = plain.json()["columns"], plain.json()["rows"][1]
    said = dict(zip(columns, row, strict=True))
    assert (said["firing"], said["strip"][-1], said["subject"]["zh"]) == (["1h/5m page"], 41, "ledger")


def test_the_table_of_the_page_sends_only_what_changed():
    """The first answer is whole; later ones hold the rows that differ, the names that are gone, and nothing twice."""
    now = [AT_S]
    shelf = Shelf(slos=many(50))
    with serving(shelf, clock=lambda: now[0]) as client:
        first = client.get("/api/v1/slo-table").json()
        assert (first["whole"], len(first["rows"])) == (True, 50)
        name, state = (first["columns"].index(key) for key in ("name", "state"))
        changed = first["rows"][7][name]
        del shelf.objectives[first["rows"][3][name]]
        shelf.objectives[changed] = {**shelf.objectives[changed], "state": "burning"}
        now[0] += 10
        later = client.get(f"/api/v1/slo-table?since={first['version']}").json()
        assert (later["whole"], later["gone"]) == (False, [first["rows"][3][name]])
        assert [(row[name], row[state]) for row in later["rows"]] == [(changed, "burning")]
        again = client.get(f"/api/v1/slo-table?since={later['version']}").json()
        assert (again["rows"], again["gone"]) == ([], [])
        assert client.get("/api/v1/slo-table?since=5").json()["whole"] is True


def families(text):
    """The families of an exposition, by name, each as a map from labels to values."""
    return {
        one.name: (one.type, {tuple(sorted(sample.labels.items())): sample.value for sample in one.samples})
        for one in text_string_to_metric_families(text)
    }


def test_metrics_of_slos_have_the_names_and_types_of_the_rules(shelf):
    """Targets, ratios, budgets and burns are gauges, events are counters; what is unknown has no sample."""
    odd = 'a"b\\c\nd'
    slos = [*SLOS, entry(odd, events_total=1_000, events_good=990)]
    with serving(Shelf(slos=slos)) as client:
        found = families(client.get("/metrics").text)
    ledger = (("service", "prod/bank/ledger"), ("slo", "ledger-availability"))
    assert found["synoptic_slo_objective_ratio"][1][ledger] == 0.999
    assert found["synoptic_slo_budget_left_ratio"][1][ledger] == 0.41
    assert found["synoptic_slo_ratio"][1][ledger] == pytest.approx(0.99941)
    assert found["synoptic_slo_burn_rate"][1][*ledger, ("window", "1h")] == 16.0
    alert = (("long", "1h"), *ledger, ("severity", "page"), ("short", "5m"))
    assert found["synoptic_slo_alert"] == ("gauge", {tuple(sorted(alert)): 1.0, **_other_alerts(found)})
    assert len(found["synoptic_slo_ratio"][1]) == len(slos) - 1
    assert {dict(labels)["slo"] for labels in found["synoptic_slo_objective_ratio"][1]} == {one["name"] for one in slos}
    (good,) = found["synoptic_slo_good_events"][1].values()
    assert (found["synoptic_slo_events"][0], good) == ("counter", 990.0)
    states = {dict(labels)["state"]: value for labels, value in found["synoptic_slos"][1].items()}
    assert states == {"ok": 3, "at_risk": 1, "burning": 1, "exhausted": 1, "no_data": 1}


def _other_alerts(found):
    """The alerts of the other SLOs."""
    return {key: value for key, value in found["synoptic_slo_alert"][1].items() if ("severity", "page") not in key}


def test_metrics_are_bounded_and_written_slos_come_first():
    """Beyond the bound SLOs are left out, defaults first, and how many is said."""
    entries = [entry("a-default", default=True), entry("z-own"), entry("b-own")]
    found = {one.name: one for one in slo_metrics(entries, most=2)}
    assert [sample.labels["slo"] for sample in found["synoptic_slo_objective_ratio"].samples] == ["b-own", "z-own"]
    assert found["synoptic_slos_left_out"].samples[0].value == 1
    assert sum(sample.value for sample in found["synoptic_slos"].samples) == 3


def test_an_slo_beyond_the_bound_has_no_details_and_says_why(client, shelf, monkeypatch):
    """One that is listed and not evaluated is known by its name, and its history and spenders say that."""
    monkeypatch.setattr(shelf, "slo_spenders", lambda *_: None)
    answer = client.get("/api/v1/slos/web-availability/spenders")
    assert (answer.status_code, answer.json()["detail"]) == (404, "This SLO is listed and not evaluated.")
    assert client.get("/api/v1/slos/nobody/spenders").json()["detail"] == "There is no SLO of this name."


def test_a_panel_has_the_slos_of_what_is_selected():
    """Those of the node, or of the path, the loudest first; an SLO of a path is none of its service."""
    path = entry("web-path", "burning", service="prod/bank/orders", edge="prod/bank/web>prod/bank/orders")
    entries = [entry("orders-b"), entry("orders-a", "at_risk"), path, entry("web-a")]
    assert [one["name"] for one in about(entries, "prod/bank/orders")] == ["orders-a", "orders-b"]
    assert [one["name"] for one in about(entries, "prod/bank/web>prod/bank/orders")] == ["web-path"]
    both = entry("moving-money", judges=["prod/bank/orders", "prod/bank/web"])
    healthy = [entry(f"orders-{left}", budget_left=left) for left in (0.9, None, -0.4)]
    assert [one["budget_left"] for one in about(healthy, "prod/bank/orders")] == [-0.4, 0.9, None]
    judged = [about([both], one) for one in ("prod/bank/orders", "prod/bank/web", "prod/bank/ledger")]
    assert judged == [[both], [both], []]


@pytest.mark.parametrize(
    ("value", "text"), [("0.9995", "99.95 %"), ("0.99", "99 %"), ("0.5", "50 %"), ("0.000001", "0.0001 %")]
)
def test_a_target_is_said_exactly(value, text):
    """The decimal point moves by two, and nothing is rounded."""
    assert percent_of(value) == text


def test_a_row_names_its_subject_and_never_rounds_something_to_nothing():
    """A path is named by both ends in each language, a service without a title by its id; little coverage is some."""
    titles = {"prod/bank/web": {"en": "web", "zh": "网店"}, "prod/bank/orders": "orders"}
    path = entry("a", edge="prod/bank/web>prod/bank/orders", coverage=0.0001)
    said = dict(zip(COLUMNS, row(path, titles), strict=True))
    assert said["subject"] == {"en": "web → orders", "zh": "网店 → orders"}
    assert said["coverage"] == 0.001
    plain = dict(zip(COLUMNS, row(entry("b", service="prod/pay%2Fments/b/~cache", coverage=0.0), {}), strict=True))
    assert (plain["subject"], plain["coverage"]) == ("b", 0.0)


def test_openapi_describes_the_addresses(client):
    """Every address about SLOs is in the description, with the parameters it takes."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    parts = {"", "/history", "/history.csv", "/spenders", "/what-if"}
    wanted = {"slos", "slos.csv", "alerts", "slo-table", *(f"slos/{{name}}{part}" for part in parts)}
    assert wanted <= {path.removeprefix("/api/v1/") for path in paths}
    parameters = {one["name"] for one in paths["/api/v1/slos"]["get"]["parameters"]}
    assert parameters == {"domain", "state", "service", "class", "default", "q"}
