"""Spans that Jaeger, an OpenTelemetry collector or Elastic APM keeps in Elasticsearch or OpenSearch."""
