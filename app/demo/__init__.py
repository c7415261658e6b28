"""A simulated bank that sends real OpenTelemetry data: the demo, and traffic whose truth is known."""
