"""SkyWalking agents, pushed: a receiver of segments and logs over gRPC and HTTP, which become OTLP requests."""
