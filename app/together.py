"""The product and the demo's sender beside each other, as two child processes; whichever ends first ends both."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence

import structlog

from app import places
from app.configuration import load
from app.settings import Settings
from collectors.config import Address

BACKFILL_S = 300.0
"""History that a fresh page finds, so that its charts are not empty."""
START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0
PR_SET_PDEATHSIG = 1
_log = structlog.get_logger("synoptic.demo")


def run_both(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Runs the product with the demo's configuration, then the sender; 0 after a signal, 1 when one of them failed."""
    config = places.config() / "demo.yaml"
    settings = load(config, environ)
    refuse_taken_ports(settings)
    sender = ["demo", *_sender_flags(arguments, settings)]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    product = _start(["serve", "--config", str(config)], environ)
    children = [product]
    try:
        if _listens(_otlp(settings), product, stop):
            _log.info("open the page", address=f"http://{settings.server.http}{settings.server.base_path}")
            children.append(_start(sender, environ))
            _wait_for_first(children, stop)
        return 0 if stop.is_set() else 1
    finally:
        _end(children)


def refuse_taken_ports(settings: Settings) -> None:
    """Returns when every address the product listens at is free; OSError naming the first that is not."""
    for key, address in settings.listening():
        refusal = _refusal(address)
        if refusal:
            raise OSError(f"cannot listen at {address}: {refusal}; stop what uses it, or choose another {key}")


def _refusal(address: Address) -> str | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as failure:
            return str(failure.strerror or failure)
    return None


def _otlp(settings: Settings) -> Address:
    addresses = [collector.config.grpc for collector in settings.collectors.values() if collector.kind == "otlp"]
    return next(address for address in addresses if address is not None)


def _sender_flags(arguments: Namespace, settings: Settings) -> list[str]:
    flags = ["--seed", str(arguments.seed), "--endpoint", arguments.endpoint or f"http://{_otlp(settings)}"]
    history_s = arguments.backfill_s
    if history_s is None:
        # Once only: the same five minutes sent again would be counted again.
        history_s = 0.0 if settings.data.directory.exists() else BACKFILL_S
    flags += ["--backfill", str(history_s)]
    for name, value in (("--rate", arguments.rate), ("--incident", arguments.incident),
                        ("--incident-after", arguments.incident_after_s), ("--incident-for", arguments.incident_for_s)):
        flags += [name, str(value)] if value is not None else []
    return flags


def _start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # a session of its own: Ctrl-C reaches only this process, which then stops both in order
    return subprocess.Popen(
        [sys.executable, "-m", "app", *command],
        env=dict(environ),
        start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is no other thread yet that could hold a lock
    )


def _end_with_parent() -> None:
    """Lets the system stop this child when its parent is killed, where the system can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _listens(address: Address, product: subprocess.Popen[bytes], stop: threading.Event) -> bool:
    """Waits until the product takes connections; False when it ended, took too long or a signal came first."""
    deadline = time.monotonic() + START_LIMIT_S
    while product.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address.host, address.port), timeout=1).close()
        except OSError:
            if stop.wait(0.1):
                return False
        else:
            return True
    _log.error("the product did not start", exit_code=product.poll())
    return False


def _wait_for_first(children: Sequence[subprocess.Popen[bytes]], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        for name, child in zip(("product", "sender"), children, strict=True):
            if child.poll() is not None:
                _log.error("ended by itself", which=name, exit_code=child.returncode)
                return


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Asks the children to end, the sender first, and kills what does not."""
    for child in reversed(children):
        child.terminate()
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
