"""A Flask program as anybody writes it, instrumented with OpenTelemetry: `shop_program.py NAME PORT [CALLS_URL]`."""

import sys

import flask
import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main(name: str, port: str, calls: str = "") -> None:
    """Serves `/`, which asks the next program when there is one. Where the spans go is in the environment."""
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    program = flask.Flask(name)
    FlaskInstrumentor().instrument_app(program)
    RequestsInstrumentor().instrument()

    @program.route("/")
    def index() -> str:
        return requests.get(calls, timeout=5).text if calls else "hello"

    program.run("127.0.0.1", int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
