"""Logs from Elasticsearch when something is wrong: what is counted all the same, and what is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from elastic_cluster import Cluster, serving
from log_documents import KEYWORD, LONG, TEXT, WRITTEN, documents, ecs, lines_of, properties, recording
from test_elastic_logs import START_S, counted, source

from collectors.contract import LineQuery
from collectors.elastic_logs.config import Index
from topology.errors import SourceUnavailable

ECS = WRITTEN[0]
BUSY = (429, {"error": {"type": "search_phase_execution_exception", "reason": "", "root_cause": [
    {"type": "es_rejected_execution_exception", "reason": "rejected execution"}]}})
BUCKETS = (503, {"error": {"type": "search_phase_execution_exception", "reason": "", "caused_by": {
    "type": "too_many_buckets_exception", "reason": "Trying to create too many buckets."}}})
FULL = "the cluster is too busy: its search queue is full"
ANSWERED = None


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster with one index of the recording."""
    with serving(Cluster()) as running:
        running.put("logs-a", ECS.mappings, documents(ECS, START_S))
        yield running


def test_missing_shards_make_the_minutes_partial_and_are_named(cluster):
    """What came is counted and marked as partial; the fault names index and reason."""
    reason = "Alternatively, set fielddata=true on [service.name] in order to load field data by uninverting"
    cluster.missing = [("logs-b", {"type": "illegal_argument_exception", "reason": reason})]
    pulled = source(cluster).pull(START_S, START_S + 120)
    assert counted(pulled).total() > 0
    assert not any(reading.complete for reading in pulled.readings)
    assert pulled.faults == [
        "* (ecs): 1 of 2 shards did not answer: the field service.name is text and cannot be counted: it has to be a "
        + "keyword (logs-b)"
    ]


def test_one_pattern_that_is_refused_leaves_the_others(cluster):
    """The lines of the pattern that answers are counted; the minutes are partial; the fault names the other."""
    cluster.troubles = [ANSWERED, ANSWERED, BUSY]
    pulled = source(cluster, Index("logs-a"), Index("logs-*")).pull(START_S, START_S + 60)
    assert pulled.faults == [f"logs-a: {FULL}"]
    assert counted(pulled).total() == sum(line.at_s < 60 for line in lines_of(ECS))
    assert not any(reading.complete for reading in pulled.readings)


def test_a_cluster_that_refuses_everything_is_unavailable_and_says_when_to_come_back(cluster):
    """Nothing is handed over that could be taken for silence."""
    logs = source(cluster)
    logs.pull(START_S, START_S + 60)
    cluster.troubles = [BUSY]
    with pytest.raises(SourceUnavailable, match="too busy") as refused:
        logs.pull(START_S, START_S + 60)
    assert refused.value.retry_after_s > 0
    assert counted(logs.pull(START_S, START_S + 60)).total() > 0


def test_too_many_buckets_makes_the_pages_smaller(cluster):
    """The same lines are counted in smaller pages."""
    whole = counted(source(cluster).pull(START_S, START_S + 240))
    logs = source(cluster)
    cluster.troubles = [ANSWERED, ANSWERED, BUCKETS, BUCKETS]
    assert counted(logs.pull(START_S, START_S + 240)) == whole
    sizes = [body["aggs"]["lines"]["composite"]["size"] for body in cluster.searches() if "aggs" in body]
    assert sizes[-3:] == [10_000, 2500, 625]


def test_error_lines_that_cannot_be_read_cost_no_counts(cluster):
    """The minutes are complete; the fault says what is missing, and the next pull reads the lines."""
    logs = source(cluster)
    cluster.troubles = [ANSWERED, ANSWERED, ANSWERED, BUSY]
    pulled = logs.pull(START_S, START_S + 240)
    assert all(reading.complete for reading in pulled.readings)
    assert pulled.lines == []
    assert pulled.faults == [f"* (ecs): error lines could not be read: {FULL}"]
    assert len(logs.pull(START_S, START_S + 240).lines) == 13


def test_an_empty_pattern_is_silence_and_an_unknown_layout_is_told(cluster):
    """No index costs no lines and is said; so is an index in which nothing is known as a log."""
    empty = source(cluster, Index("absent-*")).pull(START_S, START_S + 60)
    assert (counted(empty).total(), empty.faults) == (0, ["absent-*: no index matches, or the login may see none"])
    assert [reading.complete for reading in empty.readings] == [True]
    cluster.put("metrics", properties(when=LONG, value=LONG), [{"when": 1, "value": 2}])
    assert "no layout that is known" in source(cluster, Index("metrics")).pull(START_S, START_S + 60).faults[0]


def test_a_red_index_is_not_taken_for_none(cluster):
    """Where the mappings of a red index are left out, a search tells it from an index that does not exist."""
    cluster.red = True
    with pytest.raises(SourceUnavailable, match="its health is red"):
        source(cluster).pull(START_S, START_S + 60)
    cluster.red = False
    assert counted(source(cluster).pull(START_S, START_S + 60)).total() > 0


def test_fields_that_indices_map_differently_are_named(cluster):
    """A level that is text somewhere, or everywhere, is said before anybody wonders about the counts."""
    cluster.put("logs-b", properties(at_={"type": "date"}, log__level=TEXT, service__name=KEYWORD), [])
    conflict = source(cluster).pull(START_S, START_S + 60).faults
    assert conflict == ["* (ecs): log.level is mapped differently: keyword in logs-a; text in logs-b"]
    text_only = source(cluster, Index("logs-b")).pull(START_S, START_S + 60).faults
    assert text_only == ["logs-b (ecs): log.level is text and cannot be counted: it has to be a keyword"]


def test_numeric_levels_are_counted_and_searched(cluster):
    """Levels that are numbers, as pino writes them, are levels; searching them asks for numbers only."""
    lines = [{"@timestamp": START_S * 1000, "level": level, "msg": "x", "app": "web"} for level in (30, 50, 60)]
    cluster.put("node-1", properties(at_={"type": "date"}, level=LONG, msg=TEXT, app=KEYWORD), lines)
    logs = source(cluster, Index("node-1"))
    assert {level: n for (*_, level), n in counted(logs.pull(START_S, START_S + 60)).items()} == {
        "info": 1, "error": 1, "fatal": 1}
    pages = logs.find_lines(LineQuery(START_S, START_S + 60, levels=("error",)), lambda: False)
    assert [line.level for page in pages for line in page] == ["error"]
    words = cluster.searches()[-1]["query"]["bool"]["filter"][-1]["bool"]["should"][0]["terms"]["level"]
    assert words == ["50"]


def test_layouts_are_looked_for_again_after_a_while(cluster):
    """Which layouts a pattern has is remembered for ten minutes, and asked anew then."""
    now_s = [START_S + 200.0]
    logs = source(cluster, Index("new-*"), clock=lambda: now_s[0])
    assert counted(logs.pull(START_S, START_S + 60)).total() == 0
    cluster.put("new-1", ECS.mappings, [ecs(recording()[0], START_S)])
    assert counted(logs.pull(START_S, START_S + 60)).total() == 0
    now_s[0] += 600.0
    assert counted(logs.pull(START_S, START_S + 60)).total() == 1
