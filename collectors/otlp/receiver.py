"""The OTLP receiver as one source: both servers, their state and their counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from collectors.contract import Intake
from collectors.otlp.config import Config
from collectors.otlp.grpc_server import GrpcServer
from collectors.otlp.http_server import HttpServer
from collectors.otlp.reception import Reception
from collectors.receiving.budget import Budget
from collectors.receiving.status import row
from collectors.receiving.traffic import Traffic
from topology.errors import ConfigurationError

GRACE_S = 1.0


class OtlpReceiver:
    """Receives OTLP over gRPC and HTTP and hands it to an intake, from `start` to `stop`."""

    def __init__(self, config: Config, intake: Intake, name: str = "otlp",
                 clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.name = name
        self.traffic = Traffic(clock)
        self.budget = Budget(config.in_flight_bytes, config.retry_after_s)
        self._reception = Reception(intake, self.budget, self.traffic, config.max_body_bytes, config.token)
        self._grpc: GrpcServer | None = None
        self._http: HttpServer | None = None
        self._failure = ""

    def start(self) -> None:
        """Listens on both addresses; ConfigurationError when that is not possible, and then on none."""
        try:
            if self.config.grpc is not None:
                self._grpc = GrpcServer(self.config, self._reception)
            if self.config.http is not None:
                self._http = HttpServer(self.config, self._reception)
        except ConfigurationError as error:
            self._failure = str(error)
            self.stop()
            raise

    def stop(self) -> None:
        """Refuses new requests, answers those under way (at most a second), and ends; harmless when repeated."""
        servers = [server for server in (self._grpc, self._http) if server is not None]
        self._grpc = self._http = None
        stops = [threading.Thread(target=server.stop, args=(GRACE_S,)) for server in servers]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    @property
    def grpc_port(self) -> int | None:
        """The bound gRPC port; None while not listening."""
        return self._grpc.port if self._grpc is not None else None

    @property
    def http_port(self) -> int | None:
        """The bound HTTP port; None while not listening."""
        return self._http.port if self._http is not None else None

    def status(self) -> dict[str, Any]:
        """The row of the sources page, see `receiving.status.row`."""
        listening = self._grpc is not None or self._http is not None
        return row(self.name, "otlp", self.traffic, self.budget, listening=listening, failure=self._failure)
