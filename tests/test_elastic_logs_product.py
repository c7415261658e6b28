"""Logs of Elasticsearch in the running product: from the configuration to the map, the patterns and a search."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
from elastic_cluster import Cluster, serving
from log_documents import WRITTEN, documents
from running import product, soon


def test_logs_that_are_asked_for_are_on_the_map_in_patterns_and_found(tmp_path):
    """A cluster in the configuration is asked at once: its services are nodes that only log, its error lines are
    patterns, a search goes to it, and the page of the sources tells its load. A red one costs a clear line only."""
    start_s = int(time.time()) // 60 * 60 - 240
    with serving(Cluster()) as cluster:
        cluster.put("logs-a", WRITTEN[0].mappings, documents(WRITTEN[0], start_s))
        config = tmp_path / "synoptic.yaml"
        config.write_text(
            f"collectors: {{logs: {{kind: elastic_logs, cluster: {{hosts: ['{cluster.url}']}}, "
            "pace: {interval: 5s, settle: 0s}}}"
        )
        with product(tmp_path, "--config", str(config)) as running:
            assert soon(lambda: len(running.get("/api/v1/graph?window=15m")["nodes"]) == 2, 30)
            nodes = {one["name"]: one["logs_only"] for one in running.get("/api/v1/graph?window=15m")["nodes"]}
            assert nodes == {"orders": True, "payments": True}
            patterns = {one["template"]: one["count"] for one in running.get("/api/v1/logs/patterns")}
            assert patterns["could not reserve stock for order <number>: timeout"] == 8
            text = httpx.get(f"{running.http}/api/v1/logs/stream?text=for+order+7003", timeout=20).text
            pieces = [json.loads(line) for line in text.splitlines()]
            bodies = [line["body"] for piece in pieces for line in piece.get("lines", ())]
            assert bodies == ["could not reserve stock for order 7003: timeout"]

            def row() -> dict[str, Any]:
                return next(one for one in running.get("/api/v1/sources") if one["name"] == "logs")

            assert (row()["state"], row()["last_error"]) == ("ok", None)
            assert row()["counters"]["queries"] > 0
            cluster.red = True
            assert "red" in str(soon(lambda: row()["last_error"], 30))
