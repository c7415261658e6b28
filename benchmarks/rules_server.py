"""A real Prometheus with the rules that the product writes for it, fed with made counters, under measure.

History comes as a block (`promtool tsdb create-blocks-from openmetrics`), the present is scraped from an exporter in
this process. Counters are functions of time, so both halves fit together.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import Server, free_ports, start
from topology.slo.objectives import Slo
from topology.slo.prometheus import EVENTS, GOOD_EVENTS, duration, rules_document

HISTORY_S, SCRAPE_S, EVALUATE_S = 6 * 3600, 15, 60
WITHOUT_RULES_S, WITH_RULES_S = 30, 60


@dataclass(frozen=True)
class Found:
    """What Prometheus used for one evaluation of everything, and what it found."""

    cpu_ms: float
    memory_mib: float
    alerts: dict[str, int]
    left: float


class RulesServer:
    """Prometheus in a folder, over `slos` whose services answer `calls_per_s` and fail `bad` of them."""

    def __init__(self, folder: Path, slos: Sequence[Slo], bad: np.ndarray, calls_per_s: float) -> None:
        self.folder, self.slos, self.bad, self.calls_per_s = folder, slos, bad, calls_per_s
        self.began_s = int(time.time()) - HISTORY_S
        self.exporter_port, self.port = free_ports(2)

    def counters(self, at_s: float) -> Iterator[tuple[str, Sequence[int]]]:
        """Every family with its values at a moment, in the order of the objectives."""
        events = int(self.calls_per_s * (at_s - self.began_s))
        total = np.full(len(self.slos), events)
        yield EVENTS, total.tolist()
        yield GOOD_EVENTS, (total - np.round(events * self.bad).astype(np.int64)).tolist()

    def exposition(self, at_s: float) -> bytes:
        """What the exporter answers."""
        lines = []
        for family, values in self.counters(at_s):
            lines.append(f"# TYPE {family} counter")
            lines += [f'{family}{{slo="{slo.name}"}} {value}' for slo, value in zip(self.slos, values, strict=True)]
        return "\n".join([*lines, ""]).encode()

    def measure(self) -> Found:
        """Loads the history, measures without rules and with them; RuntimeError when it could not keep up."""
        self._load()
        with ThreadingHTTPServer(("127.0.0.1", self.exporter_port), self._handler()) as exporter:
            threading.Thread(target=exporter.serve_forever, daemon=True).start()
            server = self._start()
            try:
                return self._measure(server)
            finally:
                server.stop()
                exporter.shutdown()

    def _load(self) -> None:
        history = self.folder / "history.txt"
        moments = range(self.began_s, self.began_s + HISTORY_S - 60, 60)
        columns = [dict(self.counters(moment)) for moment in moments]
        labels = f'instance="127.0.0.1:{self.exporter_port}",job="slo"'
        with history.open("w") as out:
            for family in (EVENTS, GOOD_EVENTS):
                out.write(f"# TYPE {family.removesuffix('_total')} counter\n")
                for row, slo in enumerate(self.slos):
                    name = f'{family}{{{labels},slo="{slo.name}"}}'
                    out.writelines(f"{name} {values[family][row]} {moment}\n"
                                   for moment, values in zip(moments, columns, strict=True))
            out.write("# EOF\n")
        data = str(self.folder / "data")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", str(history), data],
                       check=True, stdout=subprocess.DEVNULL)
        history.unlink()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exposition = self.exposition

        class Exporter(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exposition(time.time())
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Exporter

    def _start(self) -> Server:
        program = shutil.which("prometheus")
        if not program:
            raise RuntimeError("prometheus is not installed (Debian: prometheus)")
        target = f"127.0.0.1:{self.exporter_port}"
        configuration = {
            "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{EVALUATE_S}s"},
            "rule_files": ["rules*.json"],
            "scrape_configs": [{"job_name": "slo", "static_configs": [{"targets": [target]}]}],
        }
        (self.folder / "prometheus.json").write_text(json.dumps(configuration))
        command = [program, f"--config.file={self.folder / 'prometheus.json'}",
                   f"--storage.tsdb.path={self.folder / 'data'}", "--storage.tsdb.retention.time=60d",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-lifecycle"]  # fmt: skip
        return start(command, {"http": self.port}, {}, self.folder / "prometheus.log")

    def _measure(self, server: Server) -> Found:
        time.sleep(2 * SCRAPE_S)
        scraping = _cpu_s(server, WITHOUT_RULES_S) / WITHOUT_RULES_S
        (self.folder / "rules.json").write_text(json.dumps(self._rules()))
        self._request("POST", "/-/reload")
        time.sleep(EVALUATE_S + SCRAPE_S)  # groups begin spread over one interval
        used = _cpu_s(server, WITH_RULES_S) - scraping * WITH_RULES_S
        self._complain_if_behind()
        return Found(
            cpu_ms=used / (WITH_RULES_S / EVALUATE_S) * 1e3,
            memory_mib=server.memory_mib(),
            alerts=self._alerts(),
            left=self._value("quantile(0.5, slo:period_error_budget_remaining:ratio)"),
        )

    def _rules(self) -> dict[str, object]:
        """The document of the product; the groups of periods at every evaluation too, as ours has them."""
        document: dict[str, Any] = rules_document(self.slos)
        groups = [{key: value for key, value in group.items() if key != "interval"} for group in document["groups"]]
        return {"groups": groups}

    def _complain_if_behind(self) -> None:
        missed = self._metric("prometheus_rule_group_iterations_missed_total")
        failed = self._metric("prometheus_rule_evaluation_failures_total")
        if missed or failed:
            raise RuntimeError(f"Prometheus missed {missed:.0f} evaluations, {failed:.0f} rules failed")

    def _metric(self, name: str) -> float:
        lines = self._request("GET", "/metrics").decode().splitlines()
        found = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)]
        if not found:
            raise RuntimeError(f"Prometheus tells nothing of {name}")
        return sum(found)

    def _alerts(self) -> dict[str, int]:
        """How many fire, by severity and long window in seconds."""
        seconds = {duration(rule.long_s): rule.long_s for slo in self.slos for rule in slo.rules}
        found = self._query('count by (severity, long) (ALERTS{alertstate="firing"})')
        firing = [(one["metric"]["severity"], one["metric"]["long"], int(one["value"][1])) for one in found]
        return {f"{severity} {seconds[long]}": count for severity, long, count in firing}

    def _value(self, query: str) -> float:
        return float(self._query(query)[0]["value"][1])

    def _query(self, query: str) -> list[dict[str, Any]]:
        answer = self._request("GET", f"/api/v1/query?query={urllib.parse.quote(query)}")
        found: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return found

    def _request(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body


def _cpu_s(server: Server, seconds: float) -> float:
    before_s = server.cpu_s
    time.sleep(seconds)
    return server.cpu_s - before_s
