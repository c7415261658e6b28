"""Logs in a real Elasticsearch 8 that is locked, crowded, slow, or gone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from elastic_server import Server, running
from known_routes import CONTEXT, FROM_S, TO_S, known_traffic, spans_of
from log_documents import WRITTEN, documents, expected, lines_of
from test_elastic_logs import counted
from test_elastic_logs_real import END_S, START_S, source
from test_elastic_spans_real import LAYOUTS, TEXTS

from collectors.config import Secret
from collectors.contract import LineQuery
from collectors.elastic_logs.config import Index
from collectors.elastic_spans.config import Cluster, Config
from collectors.elastic_spans.source import build
from topology.errors import SourceUnavailable

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ECS = WRITTEN[0]
LOCKED = ("xpack.security.enabled=true", "thread_pool.search.size=1", "thread_pool.search.queue_size=1")
USERS = {
    "users": "".join(f"{name}:$2y$12$WQPgC4M.RNDAuKJ/lrCppuOJ6PLqp05Xs12bHmJ558vyHOAjRfXLa\n"
                     for name in ("reader", "elsewhere", "stranger")),
    "users_roles": "may_read:reader\nmay_read_others:elsewhere\nmay_nothing:stranger\n",
    "roles.yml": "may_read: {indices: [{names: [logs-*, jaeger-*], privileges: [read, view_index_metadata]}]}\n"
             "may_read_others: {indices: [{names: [other-*], privileges: [read, view_index_metadata]}]}\n"
             "may_nothing: {cluster: [monitor]}\n",
}
"""All have the password stranger-password."""
HIDDEN = "logs-a: no index matches, or the login may see none"
REFUSED = r"refused \(401\)"
NOT_ALLOWED = r"may not do this \(403\): action .* unauthorized"
LOGIN = {"username": "elastic", "password": Secret("synoptic")}


@pytest.fixture(scope="module")
def locked() -> Iterator[Server]:
    """A node that asks for a login, and searches one at a time."""
    with running("elasticsearch-8.19.0", *LOCKED, files=USERS) as started:
        started.login = ("elastic", "synoptic")
        started.fill("logs-a", ECS.mappings, documents(ECS, START_S))
        started.fill("jaeger-span-a", {**TEXTS, "properties": LAYOUTS[0].properties},
                     LAYOUTS[0].documents(known_traffic()))
        yield started


def test_logins_are_told_apart(locked: Server) -> None:
    """A wrong login is refused, and one without rights; one that may read something else sees nothing and is told so;
    a good one has the lines."""
    elsewhere = {"username": "elsewhere", "password": Secret("stranger-password")}
    hidden = source(locked, Index("logs-a"), login=elsewhere).pull(START_S, END_S)
    assert (counted(hidden).total(), hidden.faults) == (0, [HIDDEN])
    for name, password, words in (("elastic", "guess", REFUSED), ("stranger", "stranger-password", NOT_ALLOWED)):
        login = {"username": name, "password": Secret(password)}
        with pytest.raises(SourceUnavailable, match=words):
            source(locked, Index("logs-a"), login=login).pull(START_S, END_S)
    for login in (LOGIN, {"username": "reader", "password": Secret("stranger-password")}):
        assert counted(source(locked, Index("logs-a"), login=login).pull(START_S, END_S)) == expected(
            START_S, lines_of(ECS), "prod")


def test_logins_for_spans_are_told_apart(locked: Server) -> None:
    """The same of spans: 401, 403, nothing and why, and everything for one that may read."""
    def spans(name: str, password: str) -> tuple[set[tuple[str, str]], Sequence[str]]:
        cluster = Cluster(hosts=(locked.url,), username=name, password=Secret(password))
        with closing(build(Config(cluster, ("jaeger-span-*",)), "stored", CONTEXT)) as asked:
            pulled = asked.pull(FROM_S, TO_S)
            return spans_of(pulled.spans), pulled.faults

    with pytest.raises(SourceUnavailable, match=REFUSED):
        spans("reader", "guess")
    with pytest.raises(SourceUnavailable, match=NOT_ALLOWED):
        spans("stranger", "stranger-password")
    assert spans("elsewhere", "stranger-password") == (set(), [HIDDEN.replace("logs-a", "jaeger-span-*")])
    assert spans("reader", "stranger-password") == (spans_of(known_traffic()), [])


def test_a_full_search_queue_is_told_and_over_when_it_is_over(locked: Server) -> None:
    """While others fill the queue, pulls are refused or partial and say why, and none is taken for whole; afterwards
    everything is counted."""
    logs = source(locked, Index("logs-a"), login=LOGIN)
    whole = counted(logs.pull(START_S, END_S))
    slow = {"size": 0, "aggs": {"a": {"terms": {"field": "service.name", "size": 1000}}}}
    over = threading.Event()

    def crowd() -> None:
        while not over.is_set():
            httpx.post(f"{locked.url}/logs-a/_search?request_cache=false", json=slow, auth=locked.login, timeout=30)

    told: list[str] = []
    with ThreadPoolExecutor(12) as pool:
        for _ in range(12):
            pool.submit(crowd)
        until_s = time.monotonic() + 30
        while not told and time.monotonic() < until_s:
            try:
                pulled = logs.pull(START_S, END_S)
                told += pulled.faults
                assert pulled.faults or counted(pulled) == whole
            except SourceUnavailable as error:
                told.append(str(error))
        over.set()
    assert any("too busy" in words for words in told), told
    assert counted(logs.pull(START_S, END_S)) == whole


@contextmanager
def delayed(server: Server, by_s: float) -> Iterator[str]:
    """The server behind a proxy that waits before every answer."""
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            time.sleep(by_s)
            answer = httpx.request(self.command, server.url + self.path, content=body, headers=headers, timeout=60)
            self.send_response(answer.status_code)
            for name in ("content-type", "x-elastic-product"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_port}"
        proxy.shutdown()


def test_a_latency_of_five_seconds_only_takes_longer(locked: Server) -> None:
    """Within the timeout everything is counted; beyond it the source says so, and in time."""
    with delayed(locked, 5.0) as url:
        slow = Server(locked.name, locked.directory, int(url.rpartition(":")[2]), ())
        began_s = time.monotonic()
        pulled = source(slow, Index("logs-a"), login=LOGIN).pull(START_S, END_S)
        assert counted(pulled) == expected(START_S, lines_of(ECS), "prod")
        assert len(pulled.lines) == 13
        assert 20 <= time.monotonic() - began_s < 30, "four questions of five seconds each"
        began_s = time.monotonic()
        with pytest.raises(SourceUnavailable, match="no answer within 2 s"):
            source(slow, Index("logs-a"), login=LOGIN, timeout_s=2.0).pull(START_S, END_S)
        assert time.monotonic() - began_s < 5


def test_a_restart_in_the_middle_costs_nothing_but_a_clear_line(locked: Server) -> None:
    """While the server is gone a pull and a search say so; when it is back, the same objects go on."""
    logs = source(locked, Index("logs-a"), login=LOGIN)
    whole = counted(logs.pull(START_S, END_S))
    pages = logs.find_lines(LineQuery(START_S, END_S, limit=120), lambda: False)
    locked.stop()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        logs.pull(START_S, END_S)
    with pytest.raises(SourceUnavailable):
        next(pages)
    locked.start()
    assert counted(logs.pull(START_S, END_S)) == whole
    found = [line for page in logs.find_lines(LineQuery(START_S, END_S, limit=120), lambda: False) for line in page]
    assert len(found) == 90
