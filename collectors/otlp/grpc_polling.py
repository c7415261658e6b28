"""How gRPC waits for its sockets: told by the environment, before anything imports it."""

from __future__ import annotations

from collections.abc import MutableMapping


def poll_directly(environ: MutableMapping[str, str]) -> None:
    """Keeps gRPC from handing every read to threads of its own; of use only before gRPC is imported.

    Its event engine wakes a thread a read, which costs a tenth of receiving. Who sets GRPC_EXPERIMENTS keeps it, and
    versions that know no other way ignore it.
    """
    environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
