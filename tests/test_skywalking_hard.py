"""A real OAP in trouble and in use: addresses it has yet to learn, aliases that fail, slowness, a lost store; searched;
and fed by the real Python agent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from known_segments import Graph, post, send, teach
from oap_rows import answered, instances, paths
from oap_server import LEARNT_S, SERVERS, Oap, free_port, half_hour_zone, running, source, until

from collectors.contract import MINUTE_S, LineQuery, Reading, TraceQuery
from collectors.skywalking.source import LOST, OapSource
from topology.changes import ChangeKind
from topology.errors import SourceUnavailable
from topology.model import Service

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

GRAPH = Graph(8, silent=frozenset({2, 5, 6, 7}))
STRANGERS = {"10.0.0.3:8080", "10.0.0.6:8080", "10.0.0.7:8080", "mail.example:443"}
"""What callers name and will never be a service: three without an agent, and a host of somebody else's."""
ORDERS = Service("prod", "", "orders")


@dataclass
class Server:
    """A real OAP that can be started anew, empty, on the same port."""

    opened: ExitStack
    folder: Path
    port: int
    zone: str
    oap: Oap
    free_minute: int

    def minute(self) -> int:
        """A minute of which nothing was sent yet, nor of the two after it."""
        self.free_minute -= 3
        return self.free_minute

    def stop(self) -> None:
        """Ends it, and all it knew."""
        self.opened.close()

    def start(self) -> None:
        """Starts it."""
        self.oap = self.opened.enter_context(running("10.1.0", self.folder, self.zone, self.port))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One OAP for all tests of the module, in their order."""
    with ExitStack() as opened:
        now_s, nobody = time.time(), Oap(0, "", "", "")
        made = Server(opened, tmp_path_factory.mktemp("oap"), free_port(), half_hour_zone(now_s), nobody,
                      int(now_s // MINUTE_S))
        made.start()
        yield made


@contextmanager
def between(oap: Oap, meddle: Callable[[str, dict[str, Any]], None]) -> Iterator[str]:
    """A proxy that changes replies on their way, by the document asked; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"]))
            reply = httpx.post(oap.graphql, content=asked, headers={"content-type": "application/json"}, timeout=30.0)
            document = reply.json()
            meddle(json.loads(asked)["query"], document)
            body = json.dumps(document).encode()
            self.send_response(reply.status_code)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}/graphql"
        finally:
            proxy.shutdown()
            thread.join()


def read(asking: OapSource, minute: int) -> Reading:
    """The reading of one minute."""
    (reading,) = asking.pull(minute * MINUTE_S, (minute + 1) * MINUTE_S).readings
    return reading


def counted(reading: Reading) -> dict[Any, tuple[int, int]]:
    """Calls and errors of every path."""
    return {ends: (calls.calls, calls.errors) for ends, calls in paths(reading).items()}


def sent(minute: int) -> dict[Any, tuple[int, int]]:
    """What was sent of a minute."""
    return {ends: (calls.calls, calls.errors) for ends, calls in GRAPH.expected(minute).items()}


def test_addresses_that_are_learnt_late_were_never_shown(server: Server) -> None:
    """An OAP that knows no address yet shows those of its services as if somebody else's: no pull does, nothing is
    counted twice, and once they are learnt every path has its calls."""
    minute = int(time.time() // MINUTE_S) - 1
    send(server.oap.http, GRAPH.segments(minute))
    asking = source(server.oap.graphql)
    held, shown, settled = [], set[str](), time.monotonic() + 60
    own = {path: calls for path, calls in sent(minute).items() if path[1][0] not in STRANGERS}
    while time.monotonic() < settled:
        reading = read(asking, minute)
        held.append(asking.counters()["addresses_held_back"])
        shown |= {callee for _, (callee, kind) in paths(reading) if kind == "external"}
        if counted(reading) == own and held[-1] == len(STRANGERS):
            break
        time.sleep(0.5)
    assert counted(reading) == own
    assert max(held) > held[-1] == len(STRANGERS)
    assert not shown
    asking.close()


def test_aliases_that_fail_leave_the_others(server: Server) -> None:
    """Where an OAP answers errors for some aliases the other figures are told, the minute is incomplete, and whole
    again when it answers."""
    minute = server.minute()
    send(server.oap.http, GRAPH.segments(minute))
    troubled = [True]

    def meddle(asked: str, document: dict[str, Any]) -> None:
        for alias in re.findall(r'(a\d*[05]):execExpression\(expression:"service_sla"', asked) if troubled[0] else ():
            document["data"][alias] = None
            document.setdefault("errors", []).append({"message": "the store is slow", "path": [alias]})

    with between(server.oap, meddle) as address:
        asking = source(address, address_learning_s=0.0)
        until(lambda: counted(read(asking, minute)) == sent(minute)
              and len(answered(read(asking, minute))) == len(GRAPH.answered(minute)) - 1)
        pulled = asking.pull(minute * MINUTE_S, (minute + 1) * MINUTE_S)
        (reading,), told = pulled.readings, GRAPH.answered(minute)
        assert (reading.complete, pulled.faults) == (False, ["the store is slow (1 figures)"])
        assert len(answered(reading)) == len(told) - 1
        assert answered(reading).items() < told.items()
        assert counted(reading) == sent(minute)
        troubled[0] = False
        assert (answered(read(asking, minute)), read(asking, minute).complete) == (told, True)
        asking.close()


def test_slowness_is_borne_up_to_the_timeout(server: Server) -> None:
    """Half a second more for every request changes nothing; more than the timeout is no answer, and passes."""
    minute, delay_s = server.minute(), [0.5]
    send(server.oap.http, GRAPH.segments(minute))
    with between(server.oap, lambda *_: time.sleep(delay_s[0])) as address:
        asking = source(address, timeout_s=2.0, address_learning_s=0.0)
        until(lambda: counted(read(asking, minute)).keys() == sent(minute).keys())
        delay_s[0] = 3.0
        with pytest.raises(SourceUnavailable, match="in time"):
            read(asking, minute)
        delay_s[0] = 0.0
        assert read(asking, minute).complete
        asking.close()


def test_traces_lines_and_events_are_found(server: Server) -> None:
    """A failed trace is found and opened as a waterfall, so is a log line of it; a reported upgrade is a deployment."""
    now_ms = int(time.time() * 1000)
    send(server.oap.http, GRAPH.segments(server.minute()))
    asking = source(server.oap.graphql)
    box = (time.time() - 3600, time.time() + 60)
    until(lambda: bool(asking.find_traces(TraceQuery(*box, ORDERS, failed_only=True))))
    found = asking.find_traces(TraceQuery(*box, ORDERS, failed_only=True))[0]
    assert (found.service.name, found.operation, found.failed) == ("gateway", "/gateway", True)
    opened = asking.open_trace(found.trace_id)
    assert opened is not None
    by_id = {span.span_id: span for span in opened.spans}
    assert [span.operation for span in opened.spans if span.parent_id not in by_id] == ["/gateway", ]
    assert {span.service.name for span in opened.spans} == {"gateway", "orders", "worker", "svc-004"}
    body = {"type": "TEXT", "text": {"text": "order of bob@example.com failed"}}
    post(f"{server.oap.http}/v3/logs", [{
        "timestamp": now_ms, "service": "orders", "serviceInstance": "orders-0", "body": body, "layer": "GENERAL",
        "traceContext": {"traceId": found.trace_id}, "tags": {"data": [{"key": "level", "value": "ERROR"}]}}])
    post(f"{server.oap.http}/v3/events", [{
        "uuid": "e1", "source": {"service": "orders"}, "name": "Upgrade", "type": "Normal", "message": "to 1.1",
        "startTime": now_ms, "endTime": now_ms + 1000, "layer": "GENERAL"}])
    asked = LineQuery(*box, trace_id=found.trace_id, levels=("error",), text="order of")
    until(lambda: bool([*asking.find_lines(asked, lambda: False)]))
    ((line,),) = asking.find_lines(asked, lambda: False)
    assert (line.service, line.body) == (ORDERS, "order of b***@example.com failed")
    at = now_ms // 60_000 * MINUTE_S
    until(lambda: bool(asking.pull(at, at + MINUTE_S).changes))
    (change,) = asking.pull(at, at + MINUTE_S).changes
    assert (change.kind, change.service, change.title) == (ChangeKind.DEPLOYMENT, ORDERS, "Upgrade: to 1.1")
    asking.close()


@contextmanager
def program(python: str, backend: str, name: str, port: int, *calls: str) -> Iterator[str]:
    """A Flask program under the real agent; its address."""
    environ = os.environ | {
        "SW_AGENT_NAME": name, "SW_AGENT_INSTANCE_NAME": f"{name}-0", "SW_AGENT_COLLECTOR_BACKEND_SERVICES": backend,
        "SW_AGENT_INSTANCE_PROPERTIES_JSON": json.dumps({"zone": "north"}), "SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD": "1",
    }  # fmt: skip
    command = [python, str(SERVERS.parent / "skywalking_agent" / "program.py"), name, str(port), *calls]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Whether somebody listens there; nothing of the program runs."""
    try:
        return httpx.get(f"{url}static/nothing.css").status_code == 404
    except httpx.TransportError:
        return False


def test_what_the_python_agent_sends_is_told_to_the_call(server: Server) -> None:
    """Two programs under the real agent 1.2.0: every request of a minute is counted, with its failures and its zone."""
    build = SERVERS.parent / "skywalking_agent" / "build"
    python = subprocess.run([str(build)], check=True, stdout=subprocess.PIPE, text=True,
                            env=os.environ | {"PYTHON": sys.executable}).stdout.strip()  # fmt: skip
    with program(python, server.oap.grpc, "stock", free_port()) as stock, \
            program(python, server.oap.grpc, "shop", free_port(), stock) as shop:  # fmt: skip
        until(lambda: answers(stock) and answers(shop))
        time.sleep(2.0)
        time.sleep(max(0.0, 62 - time.time() % 60) if time.time() % 60 > 40 else 0.0)
        minute = int(time.time() // MINUTE_S)
        codes = [httpx.get(shop, params={"fail": "1"} if at % 5 == 0 else {}).status_code for at in range(20)]
        assert (minute, codes.count(500)) == (int(time.time() // MINUTE_S), 4)
        asking, whole = source(server.oap.graphql), (20, 4)

        def told() -> dict[Any, Any]:
            found = counted(read(asking, minute))
            return {ends: calls for ends, calls in found.items() if ends[1][0] in ("shop", "stock")}

        until(lambda: list(told().values()) == [whole, whole])
        shop_end, stock_end = ("shop", "service"), ("stock", "service")
        assert told().keys() == {(("user", "user"), shop_end), (shop_end, stock_end)}

        def zones() -> dict[Any, Any]:
            return {(name, zone): calls for (name, zone, _, _), calls in instances(read(asking, minute)).items()}

        until(lambda: {(name, "north"): whole for name in ("shop", "stock")}.items() <= zones().items())
        asking.close()


def test_a_lost_store_takes_nothing_back(server: Server) -> None:
    """An OAP that is down is unavailable; started anew with an empty store it is believed about new minutes, and those
    that it told of before are said to be incomplete, so that nothing is taken back."""
    minute = server.minute()
    send(server.oap.http, GRAPH.segments(minute))
    asking = source(server.oap.graphql, address_learning_s=0.0)
    until(lambda: answered(read(asking, minute)) == GRAPH.answered(minute))
    server.stop()
    with pytest.raises(SourceUnavailable):
        read(asking, minute)
    server.start()
    teach(server.oap.http, GRAPH, (minute - 60) * MINUTE_S * 1000)
    time.sleep(LEARNT_S)
    send(server.oap.http, GRAPH.segments(minute + 1))
    until(lambda: answered(read(asking, minute + 1)) == GRAPH.answered(minute + 1)
          and counted(read(asking, minute + 1)) == sent(minute + 1))
    pulled = asking.pull(minute * MINUTE_S, (minute + 2) * MINUTE_S)
    assert [reading.complete for reading in pulled.readings] == [False, True]
    assert pulled.faults == [LOST]
    assert counted(pulled.readings[1]) == sent(minute + 1)
    asking.close()
