"""What one pull costs a real SkyWalking OAP with a thousand services and five thousand paths: requests, seconds, CPU.

    OAP_HEAP=3g tests/servers/skywalking/start 10.1.0 12800 /tmp/oap
    python -m benchmarks.oap_load http://127.0.0.1:12800 PID
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from collectors.contract import MINUTE_S, Context
from collectors.skywalking.config import Config
from collectors.skywalking.source import build
from topology.histogram import ladder
from topology.masking import mask
from topology.model import EdgeKey, Side

SERVICES, PATHS, MINUTES, PULLS = 1000, 5000, 6, 4
BATCH = 400
LEARNT_S, PERSISTED_S = 20.0, 60.0
TICKS = os.sysconf("SC_CLK_TCK")
Path_ = tuple[int, int]


def paths() -> Sequence[Path_]:
    """Five thousand paths between a thousand services, each of which somebody calls."""
    chance = random.Random(5)
    found = {(chance.randrange(at), at) for at in range(1, SERVICES)}
    while len(found) < PATHS:
        ends = chance.randrange(SERVICES), chance.randrange(SERVICES)
        found |= {ends} if ends[0] != ends[1] else set()
    return sorted(found)


def segments(path: Path_, minute: int) -> list[dict[str, Any]]:
    """The two segments of one call."""
    caller, callee = path
    trace = hashlib.sha256(f"{caller}/{callee}/{minute}".encode()).hexdigest()[:32]
    at, ms = minute * MINUTE_S * 1000 + caller * 37 % 59_000, 5 + (caller * 7 + callee * 3) % 190
    address, name = f"10.{callee >> 8}.{callee & 255}.1:8080", f"svc-{caller:04d}"
    ref = {"refType": "CrossProcess", "traceId": trace, "parentTraceSegmentId": f"{trace}.0", "parentSpanId": 0,
           "parentService": name, "parentServiceInstance": f"{name}-0", "parentEndpoint": "/",
           "networkAddressUsedAtPeer": address}  # fmt: skip
    call = {"spanId": 0, "parentSpanId": -1, "spanLayer": "Http", "operationName": f"/op{callee % 5}"}
    leaving = {**call, "spanType": "Exit", "peer": address, "componentId": 2, "startTime": at, "endTime": at + ms + 2}
    entering = {**call, "spanType": "Entry", "componentId": 14, "startTime": at + 1, "endTime": at + ms + 1,
                "refs": [ref]}  # fmt: skip
    return [{"traceId": trace, "traceSegmentId": f"{trace}.{side}", "service": f"svc-{who:04d}", "spans": [span],
             "serviceInstance": f"svc-{who:04d}-0"}
            for side, (who, span) in enumerate(((caller, leaving), (callee, entering)))]  # fmt: skip


def send(http: str, minutes: Sequence[int]) -> None:
    """Sends one call of every path in every minute."""
    with httpx.Client(timeout=60.0) as client:
        for batch in batches([made for minute in minutes for path in paths() for made in segments(path, minute)]):
            client.post(f"{http}/v3/segments", json=batch).raise_for_status()


def batches(listed: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Parts that an OAP takes at once."""
    yield from (listed[at : at + BATCH] for at in range(0, len(listed), BATCH))


def cpu_s(pid: int) -> float:
    """The CPU time of a process until now."""
    told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / TICKS


def main() -> None:
    """Feeds the OAP, then pulls some times and prints what each pull cost."""
    said = argparse.ArgumentParser(description="What a pull costs an OAP.")
    said.add_argument("http")
    said.add_argument("pid", type=int)
    chosen = said.parse_args()
    end = int(time.time() // MINUTE_S)
    send(chosen.http, [end - 60])
    time.sleep(LEARNT_S)
    send(chosen.http, range(end - MINUTES, end))
    time.sleep(PERSISTED_S)
    source = build(Config(url=f"{chosen.http}/graphql"), "oap", Context("prod", ladder(), mask, time.time))
    for _ in range(PULLS):
        before, began, spent = source.counters()["requests"], time.monotonic(), cpu_s(chosen.pid)
        readings = source.pull((end - MINUTES) * MINUTE_S, end * MINUTE_S).readings
        told = {sum(isinstance(row.key, EdgeKey) and row.key.side is Side.CLIENT for row in reading.rows)
                for reading in readings}  # fmt: skip
        print(f"{source.counters()['requests'] - before:.0f} requests, {time.monotonic() - began:.1f} s, "
              f"OAP {cpu_s(chosen.pid) - spent:.1f} s of CPU, paths a minute {sorted(told)}, "
              f"load of the machine {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    source.close()


if __name__ == "__main__":
    main()
