"""`python -m app.demo`: the simulated bank alone, without the product."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from app import log
from app.demo.command import add_flags, options_from, run


def main(argv: Sequence[str] | None = None) -> int:
    """Sends until SIGINT or SIGTERM; the exit code of the demo."""
    parser = argparse.ArgumentParser("python -m app.demo", description="Send a simulated bank's traffic as OTLP.")
    add_flags(parser)
    options = options_from(parser.parse_args(argv))
    log.configure()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return run(options, stop)


if __name__ == "__main__":
    sys.exit(main())
