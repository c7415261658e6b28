"""Kills the product 200 times while a sender works, and compares every total with what was acknowledged.

Run by `make soak`; `python -m benchmarks.soak_crash 50` for another number of kills.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from running import product, soon
from test_durability import PATIENT, expected, killed_again_and_again, sending, shown
from traffic import Sender

ROUND = 20


def main(kills: int) -> int:
    """0 when every count was right after every round of kills."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, product(Path(directory), **PATIENT) as running:
        sender, rng = Sender(running, random.Random(1)), random.Random(2)
        for done in range(0, kills, ROUND):
            with sending(sender):
                killed_again_and_again(running, sender, rng, min(ROUND, kills - done))
            if not soon(lambda: shown(running) == expected(sender)):
                print(f"wrong after {done + ROUND} kills: {shown(running)}, acknowledged: {expected(sender)}")
                return 1
            took_s = time.monotonic() - began_s
            print(f"{done + ROUND} kills in {took_s:.0f} s: {sender.calls} calls and {sender.errors} errors, all there "
                  f"and none twice; {sender.resent} requests were sent again", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
