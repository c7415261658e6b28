"""The same log lines as every layout writes them, with the mappings that hold them, and what is to be counted."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
OPERATION = "POST /orders"
"""In which the lines of that trace were written."""
KEYWORD, TEXT, LONG, DATE = {"type": "keyword"}, {"type": "text"}, {"type": "long"}, {"type": "date"}
NUMBERS = {"debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
Document = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A line as it is meant; `at_s` counts from the start of the recording."""

    at_s: float
    service: str
    level: str
    body: str
    trace_id: str = ""


def recording() -> list[Line]:
    """Three minutes of two services: 90 lines, of which 12 are errors of three kinds, and one fatal line."""
    lines = [Line(2 * n, "orders" if n % 3 else "payments", "info" if n % 10 else "warn", f"request {n} took {n} ms")
             for n in range(77)]
    lines += [Line(5 + 14 * n, "orders", "error", f"could not reserve stock for order {7000 + n}: timeout", TRACE)
              for n in range(8)]
    lines += [Line(70 + n, "payments", "error", f"card 4539 5787 6362 1486 refused by acquirer {n}") for n in range(4)]
    return [*lines, Line(100, "payments", "fatal", "out of memory")]


def expected(start_s: int, lines: Sequence[Line], environment: str) -> Counter[tuple[int, str, str, str]]:
    """Lines by (minute, environment, service, level)."""
    return Counter((int(start_s + line.at_s) // 60 * 60, environment, line.service, line.level) for line in lines)


@dataclass(frozen=True)
class Written:
    """How a layout writes lines: into which index, mapped how, and each line as what document. `environment` is what
    its documents say, "" for nothing; `leveled` tells whether they say a level."""

    layout: str
    index: str
    mappings: Mapping[str, Any]
    document: Callable[[Line, float], Document]
    environment: str = ""
    only_errors: bool = False


def iso(time_s: float) -> str:
    """A time as most shippers write it."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ecs(line: Line, time_s: float) -> Document:
    """Filebeat and Elastic Agent: nested objects."""
    return {"@timestamp": iso(time_s), "message": line.body, "log": {"level": line.level.upper()},
            "service": {"name": line.service, "environment": "prod", "node": {"name": f"{line.service}-1"}},
            "agent": {"type": "filebeat", "version": "8.19.0"}, "ecs": {"version": "8.0.0"},
            **({"trace": {"id": line.trace_id}, "span": {"id": SPAN}} if line.trace_id else {})}


def ecs_dotted(line: Line, time_s: float) -> Document:
    """ECS loggers (and the OTel exporter's mode ecs): dotted names at the top."""
    return {"@timestamp": iso(time_s), "message": line.body, "log.level": line.level, "service.name": line.service,
            "service.environment": "prod", "service.node.name": f"{line.service}-1", "ecs.version": "1.2.0",
            **({"trace.id": line.trace_id, "span.id": SPAN} if line.trace_id else {})}


def otel(line: Line, time_s: float) -> Document:
    """The OTel exporter's mode otel."""
    return {"@timestamp": iso(time_s), "observed_timestamp": iso(time_s + 1), "severity_text": line.level.capitalize(),
            "severity_number": NUMBERS[line.level], "body": {"text": line.body},
            "resource": {"attributes": {"service.name": line.service, "deployment.environment.name": "prod",
                                        "service.instance.id": f"{line.service}-1"}},
            "data_stream": {"type": "logs", "dataset": "generic.otel", "namespace": "default"},
            **({"trace_id": line.trace_id, "span_id": SPAN} if line.trace_id else {})}


def logstash(line: Line, time_s: float) -> Document:
    """Logstash's logback encoder with a field for the application, free-form level."""
    return {"@timestamp": iso(time_s), "@version": "1", "message": line.body, "logger_name": "com.example.Shop",
            "level": {"fatal": "CRITICAL", "warn": "WARNING"}.get(line.level, line.level.upper()),
            "application": line.service, "HOSTNAME": f"{line.service}-1",
            **({"traceId": line.trace_id, "spanId": SPAN} if line.trace_id else {})}


def apm_error(line: Line, time_s: float) -> Document:
    """An error as apm-server stores it: every document is one."""
    error: Document = {"id": "0f0e", "grouping_key": "d6b3", "culprit": "com.example.Shop.sell",
                       "exception": [{"message": line.body, "type": "java.io.IOException", "handled": False}]}
    if line.level == "fatal":
        error["log"] = {"level": "fatal", "message": line.body}
    return {"@timestamp": iso(time_s), "processor": {"event": "error", "name": "error"}, "error": error,
            "service": {"name": line.service, "environment": "prod", "node": {"name": f"{line.service}-1"}},
            **({"trace": {"id": line.trace_id}, "transaction": {"id": SPAN, "name": OPERATION}}
               if line.trace_id else {})}


def skywalking(line: Line, time_s: float) -> Document:
    """A log record of SkyWalking's storage."""
    service = b64encode(line.service.encode()).decode()
    return {"timestamp": int(time_s * 1000), "service_id": f"{service}.1", "content": line.body, "content_type": 1,
            "service_instance_id": f"{service}.1_{b64encode(f'{line.service}-1'.encode()).decode()}",
            "time_bucket": int(datetime.fromtimestamp(time_s, UTC).strftime("%Y%m%d%H%M%S")),
            "tags": [f"level={line.level.upper()}", "logger=com.example.Shop"], "unique_id": f"{time_s}",
            **({"trace_id": line.trace_id, "trace_segment_id": SPAN, "span_id": 0,
                "endpoint_id": f"{service}.1_{b64encode(OPERATION.encode()).decode()}"} if line.trace_id else {})}


def own(line: Line, time_s: float) -> Document:
    """A house's own names, some nested, some dotted."""
    return {"ts": int(time_s * 1000), "app": {"id": line.service}, "ctx.sev": line.level.upper(), "text": line.body,
            "where": {"host": f"{line.service}-1"},
            **({"ids": {"trace": line.trace_id, "span": SPAN}} if line.trace_id else {})}


def properties(**named: Any) -> dict[str, Any]:
    """Mappings of fields whose dots are written as two underscores, and `@timestamp` as at_."""
    tree: dict[str, Any] = {}
    for name, kind in named.items():
        *parents, leaf = name.replace("at_", "@timestamp").split("__")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[leaf] = kind
    return {"properties": tree}


_ECS = properties(
    at_=DATE, message=TEXT, log__level=KEYWORD, service__name=KEYWORD, service__environment=KEYWORD,
    service__node__name=KEYWORD, trace__id=KEYWORD, span__id=KEYWORD,
)
WRITTEN: Sequence[Written] = (
    Written("ecs", "filebeat-8.19.0", _ECS, ecs, "prod"),
    Written("ecs", "logs-app-default", _ECS, ecs_dotted, "prod"),
    Written("otel", "logs-generic.otel-default", properties(
        at_=DATE, observed_timestamp=DATE, severity_text=KEYWORD, severity_number=LONG, body__text=TEXT,
        resource__attributes__service__name=KEYWORD, resource__attributes__service__instance__id=KEYWORD,
        resource__attributes__deployment__environment__name=KEYWORD, trace_id=KEYWORD, span_id=KEYWORD,
    ), otel, "prod"),
    # as dynamic mapping makes them: a text, and a keyword beside it
    Written("logstash", "logstash-2026.11.21", properties(at_=DATE, message=TEXT, **{
        name: {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
        for name in ("level", "application", "HOSTNAME", "traceId", "spanId", "logger_name")
    }), logstash),
    Written("apm_errors", "logs-apm.error-default", properties(
        at_=DATE, processor__event=KEYWORD, error__exception__message=TEXT, error__log__level=KEYWORD,
        error__log__message=TEXT, error__culprit=KEYWORD, service__name=KEYWORD, service__environment=KEYWORD,
        service__node__name=KEYWORD, trace__id=KEYWORD, transaction__id=KEYWORD,
        transaction__name=KEYWORD,
    ), apm_error, "prod", only_errors=True),
    Written("skywalking", "sw_log-20261121", properties(
        timestamp=LONG, service_id=KEYWORD, service_instance_id=KEYWORD, content=TEXT, content_type=LONG,
        time_bucket=LONG, tags=KEYWORD, trace_id=KEYWORD, trace_segment_id=KEYWORD, unique_id=KEYWORD,
        endpoint_id=KEYWORD,
    ), skywalking),
    Written("own", "app-shop-1", properties(
        ts=LONG, app__id=KEYWORD, ctx__sev=KEYWORD, text=TEXT, where__host=KEYWORD, ids__trace=KEYWORD,
        ids__span=KEYWORD,
    ), own),
)
OWN_FIELDS = {"time": "ts", "service": "app.id", "level": "ctx.sev", "body": "text", "trace_id": "ids.trace",
              "span_id": "ids.span", "instance": "where.host"}


def lines_of(written: Written) -> list[Line]:
    """The lines of the recording that a layout holds."""
    return [line for line in recording() if not written.only_errors or line.level in ("error", "fatal")]


def documents(written: Written, start_s: int) -> list[Document]:
    """The recording as a layout writes it, from a time on."""
    return [written.document(line, start_s + line.at_s) for line in lines_of(written)]
