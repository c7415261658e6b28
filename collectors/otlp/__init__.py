"""OpenTelemetry protocol: a receiver for gRPC and HTTP, and the decoders of its three signals."""
