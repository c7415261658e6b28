"""Logins that a real server refuses: an OpenSearch with its security plugin, over TLS, asked by the running product for
logs and for spans. A wrong password is 401, a login without rights 403."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elastic_server import Server, running
from known_routes import CONTEXT, Recorded
from log_documents import WRITTEN, documents
from running import Running, product, soon
from stored_spans import jaeger_document, pairs
from test_elastic_logs import counted
from test_elastic_spans_real import LAYOUTS, TEXTS

from collectors.config import Secret
from collectors.elastic_logs.config import Config as LogsConfig
from collectors.elastic_logs.config import Index
from collectors.elastic_logs.source import build as build_logs
from collectors.elastic_spans.config import Cluster, Config
from collectors.elastic_spans.source import build as build_spans
from topology.errors import SourceUnavailable

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ROUNDS, LINES = 10, 90
SPANS = ROUNDS * 4 * 10
REFUSED = "the login was refused (401): check username and password, or the API key"
NOT_ALLOWED = "the login is known but may not do this (403): no permissions for [indices:data/read/"
SOURCE = """
  {kind}_{user}:
    kind: elastic_{kind}
    cluster: {{hosts: ['{url}'], username: {user}, password_file: {user}, ca: {ca}}}
    indices: [{indices}]
    pace: {{interval: 5s, settle: 0s}}"""
INDICES = {"logs": "{pattern: logs-a}", "spans": "jaeger-span-*"}


@dataclass(frozen=True)
class Asked:
    """A product that asks a secured server, and the folder with the files of its passwords."""

    server: Server
    product: Running
    folder: Path

    def rows(self, user: str) -> dict[str, dict[str, Any]]:
        """The rows of the sources page of one login, by kind."""
        return {row["kind"]: row for row in self.product.get("/api/v1/sources") if row["name"].endswith(f"_{user}")}

    def states(self, user: str) -> dict[str, str]:
        """The state of each of them."""
        return {kind: row["state"] for kind, row in self.rows(user).items()}


@pytest.fixture(scope="module")
def secured() -> Iterator[Server]:
    """An OpenSearch with users, and with lines and spans of four minutes ago."""
    start_s = int(time.time()) // 60 * 60 - 240
    shop = Recorded("http://127.0.0.1:9")
    for number in range(ROUNDS):
        shop.send(start_s + 5 * number)
    spans = [jaeger_document(*one) for body in shop.requests for one in pairs(body)]
    with running("opensearch-2.19.1", secured=True) as server:
        server.fill("logs-a", WRITTEN[0].mappings, documents(WRITTEN[0], start_s))
        server.fill("jaeger-span-a", {**TEXTS, "properties": LAYOUTS[0].properties}, spans)
        yield server


@pytest.fixture(scope="module")
def asked(secured: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The product with four sources: logs and spans, by a login with a wrong password and by one without rights."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "reader").write_text("guessed\n")
    (folder / "stranger").write_text("stranger-password\n")
    told = "".join(SOURCE.format(kind=kind, user=user, url=secured.url, ca=secured.ca, indices=INDICES[kind])
                   for kind in INDICES for user in ("reader", "stranger"))
    (folder / "synoptic.yaml").write_text(f"collectors:{told}\n")
    with product(folder, "--config", str(folder / "synoptic.yaml")) as started:
        yield Asked(secured, started, folder)


@contextmanager
def both(user: str, secret: str, server: Server, ca: Path | None, url: str = "") -> Iterator[tuple[Any, Any]]:
    """The collectors of spans and of logs for one login, closed in the end."""
    cluster = Cluster(hosts=(url or server.url,), username=user, password=Secret(secret), ca=ca)
    with (closing(build_spans(Config(cluster, ("jaeger-span-*",)), "spans", CONTEXT)) as spans,
          closing(build_logs(LogsConfig(cluster, (Index("logs-a"),)), "logs", CONTEXT)) as logs):
        yield spans, logs


def test_a_wrong_password_is_one_line_until_it_is_put_right_in_its_file(asked: Asked) -> None:
    """Both sources say 401 in plain words and nothing else; with the file put right both have everything, without a
    restart, and nothing is said any more."""
    assert soon(lambda: set(asked.states("reader").values()) == {"failed"}, 60), asked.rows("reader")
    assert {row["last_error"] for row in asked.rows("reader").values()} == {REFUSED}
    (asked.folder / "reader").write_text("reader-password\n")
    assert soon(lambda: set(asked.states("reader").values()) == {"ok"}, 60), asked.rows("reader")
    rows = asked.rows("reader")
    assert {row["last_error"] for row in rows.values()} == {None}
    assert rows["elastic_spans"]["counters"]["spans"] == SPANS
    assert soon(lambda: {"orders", "payments"} <= _names(asked.product), 60)
    assert "guessed" not in asked.product.log


def _names(product: Running) -> set[str]:
    return {node["name"] for node in product.get("/api/v1/graph?window=15m")["nodes"]}


def test_a_login_without_rights_is_one_line_until_it_has_them(asked: Asked) -> None:
    """Both sources say 403 and what is not allowed; when the cluster grants it, both have everything."""
    assert soon(lambda: set(asked.states("stranger").values()) == {"failed"}, 60), asked.rows("stranger")
    for row in asked.rows("stranger").values():
        assert row["last_error"].startswith(NOT_ALLOWED)
        assert "\n" not in row["last_error"]
        assert len(row["last_error"]) < 250
    asked.server.ask("PUT", "/_plugins/_security/api/rolesmapping/reader", {"users": ["reader", "stranger"]})
    assert soon(lambda: set(asked.states("stranger").values()) == {"ok"}, 90), asked.rows("stranger")
    assert asked.rows("stranger")["elastic_spans"]["counters"]["spans"] == SPANS


def test_a_login_that_may_only_read_is_enough(secured: Server) -> None:
    """Without the right to see the version both are read: lines are counted, spans come page by page."""
    now_s = int(time.time()) // 60 * 60
    with both("bare", "reader-password", secured, secured.ca) as (_, logs):
        assert next(logs.inspect()) == "OpenSearch of a version the login may not see"
    with both("bare", "reader-password", secured, secured.ca) as (spans, logs):
        pulled, lines = spans.pull(now_s - 600, now_s), logs.pull(now_s - 600, now_s)
        assert sum(1 for body in pulled.spans for _ in pairs(body)) == SPANS
        assert spans.counters()["queries_failed"] == 1, "what the server is; points in time are also given back"
    assert (counted(lines).total(), pulled.faults, lines.faults) == (LINES, [], [])


def test_a_certificate_that_is_not_trusted_is_told(secured: Server) -> None:
    """Without the authority's certificate nothing is asked of it; plain HTTP finds nobody."""
    for url, words in ((secured.url, "certificate is not trusted"),
                       (secured.url.replace("https", "http"), "cannot be reached")):
        with both("reader", "reader-password", secured, None, url) as sources:
            for source in sources:
                with pytest.raises(SourceUnavailable, match=words):
                    source.pull(0, 60)
