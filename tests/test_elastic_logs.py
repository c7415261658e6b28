"""Logs from Elasticsearch: what is counted, read and found, whatever the layout."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from elastic_cluster import Cluster, serving
from log_documents import OWN_FIELDS, TRACE, WRITTEN, Written, documents, ecs, expected, lines_of, recording

from app.__main__ import main
from collectors.contract import Context, FoundLine, LineQuery, Pulled
from collectors.elastic.connection import Connection
from collectors.elastic_logs.config import Config, Fields, Index
from collectors.elastic_logs.source import ElasticLogs, build
from topology.histogram import ladder
from topology.masking import mask
from topology.model import LogKey, Service

START_S = 1_763_720_400
"""A whole minute."""
ENVIRONMENT = "default"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """An empty cluster that answers."""
    with serving(Cluster()) as running:
        yield running


def source(
    cluster: Cluster, *indices: Index, clock: Callable[[], float] = lambda: START_S + 200.0, **keys: int
) -> ElasticLogs:
    """A source that reads some indices of the cluster; all of them by default."""
    config = Config(cluster=Connection(hosts=(cluster.url,)), indices=indices or (Index("*"),), **keys)
    return build(config, "logs", Context(ENVIRONMENT, ladder(), mask, clock))


def index_of(written: Written) -> Index:
    """How an index of that layout is configured."""
    own = written.layout == "own"
    return Index(written.index, "own", Fields(**OWN_FIELDS)) if own else Index(written.index)


def counted(pulled: Pulled) -> Counter[tuple[int, str, str, str]]:
    """Lines by (minute, environment, service, level)."""
    lines: Counter[tuple[int, str, str, str]] = Counter()
    for reading in pulled.readings:
        for row in reading.rows:
            assert isinstance(row.key, LogKey)
            assert row.key.source == "logs"
            assert row.counts == (row.counts[0], 0, 0, 0, 0, 0, row.counts[0])
            service = row.key.service
            lines[reading.start_s, service.environment, service.name, row.key.level] += int(row.counts[0])
    return lines


def found(pages: Iterator[Sequence[FoundLine]]) -> list[FoundLine]:
    """The lines of all pages."""
    return [line for page in pages for line in page]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: f"{written.layout}-{written.index}")
def test_every_layout_is_recognised_counted_and_read_alike(cluster, written):
    """The same lines give the same counts, error lines and search results in every layout."""
    cluster.put(written.index, written.mappings, documents(written, START_S))
    logs = source(cluster, index_of(written))
    pulled = logs.pull(START_S, START_S + 240)
    assert [view.layout.name for view in logs.look(index_of(written)).views] == [written.layout]
    assert counted(pulled) == expected(START_S, lines_of(written), written.environment or ENVIRONMENT)
    assert [reading.start_s for reading in pulled.readings] == [START_S + 60 * n for n in range(4)]
    assert all(reading.complete for reading in pulled.readings)
    assert (len(pulled.lines), pulled.faults) == (13, [])
    newest = pulled.lines[0]
    assert (newest.time_s, newest.service.name, newest.level) == (START_S + 103, "orders", "error")
    assert (newest.trace_id, newest.instance) == (TRACE, "orders-1")
    assert not any("1362" in line.body for line in pulled.lines)
    assert [line.time_s for line in pulled.lines] == sorted((line.time_s for line in pulled.lines), reverse=True)


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: f"{written.layout}-{written.index}")
def test_every_layout_is_searched_by_service_level_trace_text_and_time(cluster, written):
    """A search finds exactly the lines that match, newest first."""
    cluster.put(written.index, written.mappings, documents(written, START_S))
    logs, lines = source(cluster, index_of(written)), lines_of(written)
    environment = written.environment or ENVIRONMENT

    def bodies(**asked: object) -> list[str]:
        query = LineQuery(START_S, START_S + 240, **asked)  # type: ignore[arg-type]
        return [line.body for line in found(logs.find_lines(query, lambda: False))]

    assert len(bodies()) == len(lines)
    assert len(bodies(service=Service(environment, "", "orders"))) == sum(line.service == "orders" for line in lines)
    assert bodies(service=Service("elsewhere", "", "orders")) == []
    assert len(bodies(levels=("error", "fatal"))) == 13
    assert len(bodies(levels=("fatal",))) == 1
    assert len(bodies(trace_id=TRACE)) == 8
    assert bodies(text="for order 7003") == ["could not reserve stock for order 7003: timeout"]
    assert len(bodies(limit=5)) == 5


def test_one_question_counts_and_asks_for_no_documents_and_no_totals(cluster):
    """Counting is one search a pull, of size 0, without totals, bounded in time; the mappings are remembered."""
    calm = [line for line in recording() if line.level == "info"]
    cluster.put("logs-a", WRITTEN[0].mappings, [ecs(line, START_S + line.at_s) for line in calm])
    logs = source(cluster)
    logs.pull(START_S, START_S + 120)
    logs.pull(START_S, START_S + 180)
    first, second = cluster.searches()
    assert (first["size"], first["track_total_hits"], first["timeout"]) == (0, False, "16s")
    paths = [path.partition("?")[0] for _, path, _ in cluster.asked]
    assert paths == ["/", "/*/_field_caps", "/*/_search", "/*/_search"]
    assert second["query"]["bool"]["filter"][0]["range"]["@timestamp"]["lt"] == (START_S + 180) * 1000
    assert logs.counters()["queries"] == 4


def test_counts_are_paged_to_the_end_newest_minutes_first(cluster):
    """A page that is full is followed by the next, and nothing is counted twice or left out."""
    written = WRITTEN[0]
    lines = [line for minute in range(4) for line in lines_of(written)]
    cluster.put("logs-a", written.mappings, [
        ecs(line, START_S + 60 * (at // 90) + line.at_s) for at, line in enumerate(lines)
    ] + [ecs(type(line)(line.at_s, f"s{n}", "info", "x"), START_S + n) for n in range(150) for line in lines[:1]])
    logs = source(cluster, max_groups=100)
    total = counted(logs.pull(START_S, START_S + 600)).total()
    pages = [body["aggs"]["lines"]["composite"] for body in cluster.searches() if "aggs" in body]
    assert total == len(lines) + 150
    assert len(pages) == 2
    assert "after" in pages[1]
    assert pages[0]["sources"][0]["minute"]["date_histogram"]["order"] == "desc"


def test_error_lines_are_read_once_and_only_from_minutes_that_have_new_ones(cluster):
    """The overlap is counted again and again; a document is read again only beside a new one, and handed over once."""
    written = WRITTEN[0]
    cluster.put("logs-a", written.mappings, documents(written, START_S))
    logs = source(cluster)
    assert len(logs.pull(START_S, START_S + 240).lines) == 13
    asked = len(cluster.asked)
    assert logs.pull(START_S, START_S + 240).lines == []
    assert len(cluster.asked) == asked + 1
    late = type(recording()[0])(8, "orders", "error", "came late")
    cluster.indices["logs-a"][1].append(ecs(late, START_S + late.at_s))
    again = logs.pull(START_S, START_S + 240)
    assert [line.body for line in again.lines] == ["came late"]
    assert cluster.searches()[-1]["query"]["bool"]["filter"][0]["range"]["@timestamp"]["lt"] == (START_S + 60) * 1000


def test_error_lines_are_bounded_the_newest_first_and_told(cluster):
    """Of more error lines than may be read the newest are, and how many were not is a figure of the source."""
    written = WRITTEN[0]
    cluster.put("logs-a", written.mappings, documents(written, START_S))
    logs = source(cluster, max_lines=5)
    times = [line.time_s for line in logs.pull(START_S, START_S + 240).lines]
    wanted = sorted((START_S + line.at_s for line in recording() if line.level in ("error", "fatal")), reverse=True)
    assert times == wanted[:5]
    assert logs.counters()["lines_too_many"] > 0


def test_layouts_that_share_a_pattern_are_each_counted_once(cluster):
    """A pattern that holds four layouts counts every document once, by the layout it has."""
    shared = [written for written in WRITTEN if written.layout in ("ecs", "otel", "logstash", "apm_errors")]
    for written in shared:
        cluster.put(written.index, written.mappings, documents(written, START_S))
    total: Counter[tuple[int, str, str, str]] = Counter()
    for written in shared:
        total += expected(START_S, lines_of(written), written.environment or ENVIRONMENT)
    pulled = source(cluster).pull(START_S, START_S + 240)
    assert counted(pulled) == total
    assert pulled.faults == []


def test_lines_without_a_service_are_told_and_those_without_a_level_are_info(cluster):
    """A line that names no service is on no node; one that names no level is info."""
    cluster.put("logs-a", WRITTEN[0].mappings, [
        {"@timestamp": START_S * 1000, "message": "nobody", "log": {"level": "INFO"}},
        {"@timestamp": START_S * 1000, "message": "plain", "service": {"name": "orders"}},
    ])
    logs = source(cluster)
    assert counted(logs.pull(START_S, START_S + 60)) == {(START_S, ENVIRONMENT, "orders", "info"): 1}
    assert logs.counters()["lines_without_service"] == 1


def test_a_search_stops_when_it_is_cancelled(cluster):
    """Between two pages a search looks whether it is still wanted; its point in time is closed."""
    cluster.put("logs-a", WRITTEN[0].mappings, [ecs(recording()[0], START_S + n / 10) for n in range(500)])
    logs = source(cluster)
    seen: list[int] = []
    pages = logs.find_lines(LineQuery(START_S, START_S + 100, limit=450), lambda: bool(seen))
    seen += (len(page) for page in pages)
    assert seen == [100]
    assert cluster.points == {}


def test_long_searches_are_read_from_one_point_in_time(cluster):
    """More lines than a page are read by a point in time with a tie-breaker, each once, newest first."""
    cluster.put("logs-a", WRITTEN[0].mappings, [ecs(recording()[0], START_S + n // 7) for n in range(500)])
    lines = found(source(cluster).find_lines(LineQuery(START_S, START_S + 100, limit=450), lambda: False))
    assert len({line.place for line in lines}) == len(lines) == 450
    assert [line.time_s for line in lines] == sorted((line.time_s for line in lines), reverse=True)
    assert [*cluster.searches()[-1]["sort"][-1]] == ["_shard_doc"]
    assert cluster.points == {}


def test_a_live_check_tells_layouts_and_shows_lines_as_they_are_read(cluster, tmp_path):
    """`synoptic check --live` says what answers, which layout each pattern has, three lines of each, masked, and what
    is wrong; it fails when a source cannot be asked."""
    written = WRITTEN[0]
    now_s = int(time.time())
    cluster.put("logs-a", written.mappings, documents(written, now_s - 300))
    file = tmp_path / "synoptic.yaml"
    file.write_text(
        f"collectors: {{logs: {{kind: elastic_logs, cluster: {{hosts: ['{cluster.url}']}}, "
        "indices: [{pattern: logs-a}, {pattern: absent-*}]}}"
    )
    out = io.StringIO()
    assert main(["check", "--live", "--config", str(file)], out=out, environ={}) == 0
    valid, source_line, product, layout, *shown, absent = out.getvalue().splitlines()
    assert (valid, source_line, product) == ("configuration is valid", "logs (elastic_logs):", "  Elasticsearch 8.19")
    assert layout.startswith("  logs-a: layout ecs (time: @timestamp, service: service.name, level: log.level")
    assert len(shown) == 3
    assert "prod//orders: " in " ".join(shown)
    assert absent == "  but absent-*: no index matches, or the login may see none"
    file.write_text("collectors: {logs: {kind: elastic_logs, cluster: {hosts: ['http://127.0.0.1:9']}}}")
    assert main(["check", "--live", "--config", str(file)], out=out, environ={}) == 1
    assert "cannot be asked: cannot be reached" in out.getvalue()
