"""How those who write logs to Elasticsearch name the fields, best names first.

Sources: Elastic Common Schema 8 (Filebeat, Elastic Agent, the OTel exporter's mode ecs, and logs of Elastic APM
agents); README and mappings of the OTel collector's Elasticsearch exporter (mode otel); Logstash's logback encoder and
common house styles; documents of apm-server (errors); SkyWalking's LogRecord. Documents may nest dotted names or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from collectors.elastic_logs.config import Fields

Names = Sequence[str]
Clause = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """The names under which a layout has what a line is made of. `marks` are clauses that hold for its documents and
    for no others, for all of them when it is `certain`; `level_tags` names a field of `level=...` pairs;
    `assumed_level` is that of a line without one; `encoded` says that services are SkyWalking's ids."""

    name: str
    time: Names
    service: Names
    body: Names
    level: Names = ()
    number: Names = ()
    environment: Names = ()
    namespace: Names = ()
    trace_id: Names = ()
    span_id: Names = ()
    instance: Names = ()
    operation: Names = ()
    stack: Names = ()
    marks: Sequence[Clause] = ()
    certain: bool = True
    level_tags: str = ""
    assumed_level: str = "info"
    encoded: bool = False

    def names(self) -> tuple[str, ...]:
        """Every name, each once: what is asked of the mappings and of documents."""
        parts = (self.time, self.service, self.body, self.level, self.number, self.environment, self.namespace,
                 self.trace_id, self.span_id, self.instance, self.operation, self.stack,
                 (self.level_tags,) * bool(self.level_tags))
        return tuple(dict.fromkeys(name for part in parts for name in part))

    def named(self, own: Fields) -> Layout:
        """This layout with the names of a house before its own."""
        said = {part.name: getattr(own, part.name) for part in fields(own)}
        first: dict[str, Any] = {meaning: (name,) for meaning, name in said.items() if name}
        return replace(self, **first)


_EXCEPTION = ("error.stack_trace", "exception.stacktrace", "attributes.exception.stacktrace", "stack_trace")

OTEL = Layout(
    "otel", ("@timestamp",), ("resource.attributes.service.name",),
    ("body.text", "body.structured", "attributes.exception.message", "event_name"),
    level=("severity_text",), number=("severity_number",),
    environment=("resource.attributes.deployment.environment.name", "resource.attributes.deployment.environment"),
    namespace=("resource.attributes.service.namespace",), trace_id=("trace_id",), span_id=("span_id",),
    instance=("resource.attributes.service.instance.id", "resource.attributes.k8s.pod.name",
              "resource.attributes.host.name"),
    stack=("attributes.exception.stacktrace",), marks=({"exists": {"field": "resource.attributes.service.name"}},),
)
APM_ERRORS = Layout(
    "apm_errors", ("@timestamp",), ("service.name",),
    ("error.exception.message", "error.log.message", "message", "error.culprit"),
    level=("error.log.level",), environment=("service.environment",), namespace=("service.namespace",),
    trace_id=("trace.id",), span_id=("transaction.id", "span.id"), operation=("transaction.name",),
    instance=("service.node.name", "host.name"),
    stack=("error.stack_trace", "error.culprit"), marks=({"term": {"processor.event": "error"}},),
    assumed_level="error",
)
SKYWALKING = Layout(
    "skywalking", ("timestamp",), ("service_id",), ("content",), level_tags="tags", trace_id=("trace_id",),
    instance=("service_instance_id",), operation=("endpoint_id",), encoded=True,
    marks=({"exists": {"field": "service_id"}}, {"exists": {"field": "time_bucket"}}),
)
ECS = Layout(
    "ecs", ("@timestamp",), ("service.name",), ("message", "error.message", "event.original"), level=("log.level",),
    environment=("service.environment", "deployment.environment"), namespace=("service.namespace",),
    instance=("service.node.name", "service.instance.id", "kubernetes.pod.name", "host.name", "agent.name"),
    stack=_EXCEPTION, marks=({"exists": {"field": "log.level"}},), certain=False,
    trace_id=("trace.id", "trace_id", "traceId"), span_id=("span.id", "span_id", "spanId"),
)
LOGSTASH = Layout(
    "logstash", ("@timestamp",),
    ("service.name", "service", "application", "app", "appname", "app_name", "application_name", "service_name",
     "spring.application.name", "fields.service", "fields.app", "program"),
    ("message", "msg", "short_message"),
    level=("level", "loglevel", "log_level", "severity", "levelname"),
    environment=("environment", "env", "service.environment"), namespace=("namespace",),
    trace_id=("trace.id", "trace_id", "traceId", "traceid", "mdc.traceId"),
    span_id=("span.id", "span_id", "spanId", "spanid", "mdc.spanId"),
    instance=("host.name", "hostname", "host", "HOSTNAME"), stack=_EXCEPTION,
)
OWN = Layout("own", ("@timestamp", "timestamp"), (), ())

KNOWN: Sequence[Layout] = (OTEL, APM_ERRORS, SKYWALKING, ECS, LOGSTASH)
"""In the order in which they are recognised: a document is of the first whose marks it has."""


def layout_named(name: str) -> Layout:
    """The layout of that name; KeyError for none."""
    return {layout.name: layout for layout in (*KNOWN, OWN)}[name]
