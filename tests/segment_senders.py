"""SkyWalking agents as the tests need them: the receiver on free ports, and what is sent to it over gRPC and HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
from google.protobuf.json_format import ParseDict

from collectors.config import Address
from collectors.contract import Intake
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.protocol.skywalking_pb2 import SegmentCollection, SegmentObject
from collectors.skywalking_segments.receiver import SegmentReceiver
from collectors.skywalking_segments.surroundings import Surroundings

ANYWHERE = Address("127.0.0.1", 0)
COLLECT = "TraceSegmentReportService/collect"


@contextmanager
def receiving(intake: Intake, **settings: Any) -> Iterator[SegmentReceiver]:
    """A receiver on free ports, stopped at the end."""
    around = Surroundings(**{"zone_attribute": "cloud.availability_zone", **settings.pop("around", {})})
    config = Config(**{"grpc": ANYWHERE, "http": ANYWHERE, **settings})
    receiver = SegmentReceiver(config, intake, around=around)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


def messages(segments: Iterable[dict[str, Any]]) -> list[bytes]:
    """Segments as protobuf."""
    return [ParseDict(segment, SegmentObject()).SerializeToString() for segment in segments]


def collection(segments: Sequence[dict[str, Any]]) -> bytes:
    """Segments as one protobuf message."""
    return ParseDict({"segments": segments}, SegmentCollection()).SerializeToString()


@contextmanager
def channel(port: int | None) -> Iterator[grpc.Channel]:
    """A connection to the gRPC server."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_retries", 0)]) as made:
        yield made


def call(made: grpc.Channel, method: str, sent: Iterable[bytes], **metadata: str) -> bytes:
    """Calls a method of package skywalking.v3 with a stream of messages; its answer. RpcError when it is refused."""
    answer: bytes = made.stream_unary(f"/skywalking.v3.{method}")(
        iter(sent), timeout=20, metadata=tuple(metadata.items())
    )
    return answer


def post(port: int | None, path: str, document: Any, **headers: str) -> httpx.Response:
    """Posts a JSON document, or bytes as they are."""
    body = {"content": document} if isinstance(document, bytes) else {"json": document}
    return httpx.post(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=20, verify=False, **body)  # noqa: S501
