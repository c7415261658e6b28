"""Error lines in Elasticsearch counted for their operation, in the one question that counts all lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import pytest
from elastic_cluster import Cluster, serving
from log_documents import OPERATION, OWN_FIELDS, TRACE, WRITTEN, Written, documents, ecs, lines_of, recording

from collectors.contract import Context, Operations, Pulled
from collectors.elastic.connection import Connection
from collectors.elastic_logs.config import Config, Fields, Index
from collectors.elastic_logs.operations import MOST_OF_SERVICE
from collectors.elastic_logs.source import ElasticLogs, build
from topology.histogram import ladder
from topology.masking import mask
from topology.model import LogKey, Service

START_S = 1_763_720_400
NAMING = ("apm_errors", "skywalking")
"""The layouts whose documents name operations."""
Asked = Collection[tuple[Service, str]]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """An empty cluster that answers."""
    with serving(Cluster()) as running:
        yield running


def done(asked: Asked) -> Mapping[tuple[Service, str], str]:
    """The one trace that is known: orders did this."""
    return {(service, trace): OPERATION for service, trace in asked if (service.name, trace) == ("orders", TRACE)}


def source(
    cluster: Cluster, written: Written = WRITTEN[0], operations: Operations = done, **keys: int
) -> ElasticLogs:
    """A source that knows what was done in one trace."""
    own = written.layout == "own"
    index = Index(written.index, "own", Fields(**OWN_FIELDS)) if own else Index(written.index)
    config = Config(cluster=Connection(hosts=(cluster.url,)), indices=(index,), **keys)
    return build(config, "logs", Context("default", ladder(), mask, lambda: START_S + 200.0, operations=operations))


def error_lines(pulled: Pulled) -> Counter[tuple[str, str, str]]:
    """Lines by service, level and operation, of those at a level of error."""
    found: Counter[tuple[str, str, str]] = Counter()
    for reading in pulled.readings:
        for row in reading.rows:
            assert isinstance(row.key, LogKey)
            assert row.counts[0] > 0
            if row.key.level in ("error", "fatal"):
                found[row.key.service.name, row.key.level, row.key.operation] += int(row.counts[0])
    return found


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: f"{written.layout}-{written.index}")
def test_error_lines_of_every_layout_count_for_their_operation(cluster, written):
    """By the operation that documents name (Elastic APM, SkyWalking), in the one question that counts; else by the
    trace of the lines that are read. The others count for the service only, and nothing more is asked for it."""
    cluster.put(written.index, written.mappings, documents(written, START_S))
    logs = source(cluster, written, max_lines=0 if written.layout in NAMING else 2000)
    assert error_lines(logs.pull(START_S, START_S + 240)) == {
        ("orders", "error", OPERATION): 8, ("payments", "error", ""): 4, ("payments", "fatal", ""): 1}
    searches = [path for _, path, _ in cluster.asked if "_search" in path]
    assert len(searches) == (1 if written.layout in NAMING else 2)


def test_a_house_names_the_field_of_its_operations(cluster):
    """What it names comes before the trace; names are masked as all texts are."""
    mappings = {"properties": {**WRITTEN[0].mappings["properties"], "handler": {"type": "keyword"}}}
    cluster.put("logs-a", mappings, [{**ecs(line, START_S + line.at_s), "handler": f"reset {line.service}@bank.example"}
                                     for line in recording()])
    config = Config(Connection(hosts=(cluster.url,)), (Index("logs-a", fields=Fields(operation="handler")),))
    logs = build(config, "logs", Context("default", ladder(), mask, lambda: START_S + 200.0, operations=done))
    found = error_lines(logs.pull(START_S, START_S + 240))
    (operation, n), = [(operation, n) for (service, _, operation), n in found.items() if service == "orders"]
    assert (n, "orders@bank" in operation, operation.startswith("reset ")) == (8, False, True)


def test_lines_that_were_read_are_placed_whenever_their_minute_is_counted_again(cluster):
    """Minutes are told again and again; their lines are read once, and keep their operation. A source that begins anew
    reads them anew. What was not read counts for the service only."""
    cluster.put(WRITTEN[0].index, WRITTEN[0].mappings, documents(WRITTEN[0], START_S))
    logs, span = source(cluster), (START_S, START_S + 240)
    first = logs.pull(*span)
    again = logs.pull(*span)
    assert (len(first.lines), len(again.lines)) == (13, 0)
    assert error_lines(again) == error_lines(first) == error_lines(source(cluster).pull(*span))
    few = error_lines(source(cluster, max_lines=3).pull(*span))
    assert 0 < few["orders", "error", OPERATION] <= 3
    assert few.total() == 13


def test_the_operations_of_a_service_are_bounded(cluster):
    """Names that hold numbers must not become series without end: beyond a bound lines count for the service."""
    mappings = {"properties": {**WRITTEN[0].mappings["properties"], "handler": {"type": "keyword"}}}
    line = next(line for line in lines_of(WRITTEN[0]) if line.level == "error")
    cluster.put("logs-a", mappings, [{**ecs(line, START_S + 1), "handler": f"job {n}"} for n in range(300)])
    config = Config(Connection(hosts=(cluster.url,)), (Index("logs-a", fields=Fields(operation="handler")),))
    logs = build(config, "logs", Context("default", ladder(), str, lambda: START_S + 200.0))
    found = error_lines(logs.pull(START_S, START_S + 60))
    assert (len(found), found.total(), found[line.service, "error", ""]) == (
        MOST_OF_SERVICE + 1, 300, 300 - MOST_OF_SERVICE)
