"""`python -m app.demo`: the simulated bank alone, without the product."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from app.demo.command import DemoOptions, run


def main(argv: list[str] | None = None) -> int:
    """Sends until SIGINT or SIGTERM; the exit code of the demo."""
    parser = argparse.ArgumentParser(prog="python -m app.demo", description="Send a simulated bank's traffic as OTLP.")
    defaults = DemoOptions()
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="journeys a second at a normal hour")
    parser.add_argument("--endpoint", default=defaults.endpoint, help="an OTLP gRPC receiver")
    parser.add_argument("--incident", default=None, help="run this incident instead of the script")
    parser.add_argument("--incident-after", type=float, default=0.0, metavar="S", dest="incident_after_s")
    parser.add_argument("--incident-for", type=float, default=None, metavar="S", dest="incident_for_s")
    parser.add_argument("--backfill", type=float, default=0.0, metavar="S", dest="backfill_s",
                        help="seconds of traffic before now that are sent first")
    options = DemoOptions(**vars(parser.parse_args(argv)))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return run(options, stop, say=lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
