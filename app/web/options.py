"""What a house may choose about the web side, and what the process says about itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.links import Link
from topology.errors import ConfigurationError, Fault

LANGUAGES = ("en", "zh")
THEMES = ("dark", "light")
WINDOWS_S = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
BASE_PATH = re.compile(r"/([A-Za-z0-9._~-]+/)*")


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Everything the web side can be told. Wrong values raise ConfigurationError naming each key.

    `base_path` is where a proxy publishes the application; it starts and ends with a slash and may
    be stripped by the proxy or left in place. `frame_ancestors` are the exact origins that may show
    `/embed/*`. `allowed_hosts` are the names (without port) accepted in the Host header besides
    localhost and IP addresses; `*` accepts any. `otlp_*` are the addresses shown to newcomers,
    and what a sender calls the protocol of the first of them.
    """

    base_path: str = "/"
    frame_ancestors: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    language: str = "en"
    theme: str = "dark"
    otlp_grpc: str = "http://127.0.0.1:4317"
    otlp_http: str = "http://127.0.0.1:4318"
    otlp_protocol: str = "grpc"
    demo: bool = False
    write_positions: bool = True
    max_viewers: int = 5000
    max_body_bytes: int = 1_000_000
    change_token: str = field(default="", repr=False)
    changes_per_minute: int = 600
    links: tuple[Link, ...] = ()
    assets: Path = Path(__file__).parents[2] / "assets"

    @property
    def first_step(self) -> str:
        """What to type so that an instrumented application sends here. SDKs differ in the protocol they begin with."""
        return (f"export OTEL_EXPORTER_OTLP_PROTOCOL={self.otlp_protocol}\n"
                f"export OTEL_EXPORTER_OTLP_ENDPOINT={self.otlp_grpc}\nexport OTEL_SERVICE_NAME=my-service")

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise ConfigurationError(faults)

    def _faults(self) -> list[Fault]:
        wrong_origins = [origin for origin in self.frame_ancestors if not ORIGIN.fullmatch(origin)]
        checks = [
            (BASE_PATH.fullmatch(self.base_path), "base_path", "a path that starts and ends with /", self.base_path),
            (not wrong_origins, "frame_ancestors", "origins such as https://portal.example", wrong_origins),
            (self.language in LANGUAGES, "language", " or ".join(LANGUAGES), self.language),
            (self.theme in THEMES, "theme", " or ".join(THEMES), self.theme),
            (self.max_viewers > 0, "max_viewers", "a positive number", self.max_viewers),
            (self.max_body_bytes > 0, "max_body_bytes", "a positive number", self.max_body_bytes),
        ]
        return [Fault(f"web.{key}", expected, repr(found)) for good, key, expected, found in checks if not good]


@dataclass(frozen=True, slots=True)
class Meta:
    """What the process knows of itself: its version, its clock, and figures for `/metrics` by name."""

    version: str
    clock: Callable[[], float] = time.time
    figures: Callable[[], Mapping[str, float]] = field(default=dict)
