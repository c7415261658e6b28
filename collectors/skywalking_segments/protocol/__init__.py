"""The messages of SkyWalking agents, generated from skywalking.proto by `make protocol`."""
