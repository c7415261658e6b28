"""Logs of Elasticsearch through the engine: on the map, in the counts, in patterns, and judged by an objective."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from elastic_cluster import Cluster, serving
from engine_run import NOW_S, Run
from log_documents import WRITTEN, Line, ecs
from test_elastic_logs import source
from test_slo_live import house

from app.engine.deliveries import delivery
from collectors.elastic_logs.source import ElasticLogs

KIND = {"SYNOPTIC__COLLECTORS__LOGS__KIND": "elastic_logs"}
OBJECTIVE = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: batch-errors}
spec:
  service: batch
  indicator:
    metadata: {name: batch-error-lines}
    spec:
      thresholdMetric: {metricSource: {type: synoptic, spec: {service: batch, measure: log_errors_per_s}}}
  timeWindow: [{duration: 7d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: quiet, op: lte, value: 0.5, target: 0.95}]
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Twenty minutes of a service that only logs: in the second ten of them it says an error every second."""
    with serving(Cluster()) as running:
        lines = [Line(s, "batch", "error" if s >= 600 else "info", f"job {s} lost" if s >= 600 else f"job {s} done")
                 for s in range(1200)]
        running.put("logs-a", WRITTEN[0].mappings, [
            {**ecs(line, NOW_S - 1320 + line.at_s), "service": {"name": "batch"}} for line in lines])
        yield running


def pulled(run: Run, logs: ElasticLogs, from_s: int, to_s: int) -> Run:
    """One pull is handed over as the product does it."""
    told = logs.pull(from_s, to_s)
    run.engine.note_lines("logs", told.lines)
    waiting = threading.Thread(target=run.engine.asked.offer, args=(delivery("logs", told.readings, b"1"),))
    waiting.start()
    while waiting.is_alive():
        run.step(0)
        waiting.join(0.05)
    return run


def test_a_service_that_only_logs_to_elasticsearch_is_seen_counted_and_judged(tmp_path, cluster):
    """It is on the map, marked; its lines are columns; its new pattern is known; and an objective about its error lines
    burns. Counting the same minutes again changes nothing."""
    run = Run(tmp_path, config=house(tmp_path, batch=OBJECTIVE), **KIND)
    logs, start_s = source(cluster, clock=lambda: NOW_S), int(NOW_S) - 1320
    pulled(run, logs, start_s, start_s + 900)
    pulled(run, logs, start_s + 600, start_s + 1200).settle(80)
    node = run.node("batch")
    assert (node["logs_only"], node["calls"], node["slo"]) == (True, 0, "batch-errors")
    counts = run.engine.log_counts(node["id"], start_s, start_s + 1200, 600)["levels"]
    assert (sum(counts["info"]), sum(counts["error"])) == (600, 600)
    pattern, = run.engine.log_patterns(node["id"], start_s, NOW_S)
    assert (pattern["template"], pattern["count"], pattern["service"]) == ("job <number> lost", 600, node["id"])
    objective = run.engine.slo("batch-errors")
    assert (objective["good"], objective["total"]) == (10, 20)
    assert objective["state"] != "ok"
    pulled(run, logs, start_s + 600, start_s + 1200).settle(40)
    assert run.engine.log_counts(node["id"], start_s, start_s + 1200, 600)["levels"] == counts
    assert run.engine.slo("batch-errors")["good"] == 10
