"""What sources of stored spans have in common: their documents become OTLP requests, and traces to be shown."""
