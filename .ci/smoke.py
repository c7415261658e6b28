"""Waits until the page is served and the map has its first nodes; says how long after the first possible span."""

import json
import socket
import sys
import time
import urllib.error
import urllib.request

START_LIMIT_S = 120
FIRST_NODES_LIMIT_S = 60


def wait_for(what, check, limit_s):
    """The first true answer of `check`; ends the program when there is none in time."""
    begun = time.monotonic()
    while time.monotonic() - begun < limit_s:
        try:
            if answer := check():
                print(f"smoke: {what} after {time.monotonic() - begun:.1f} s", flush=True)
                return answer
        except (OSError, urllib.error.URLError, ValueError):
            pass
        time.sleep(0.5)
    sys.exit(f"smoke: no {what} within {limit_s} s")


def fetch(address):
    """The body of an answer with status 200."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read()


def listens(address):
    """Whether a connection to host:port is taken."""
    host, port = address.rsplit(":", 1)
    socket.create_connection((host, int(port)), timeout=2).close()
    return True


page, otlp = sys.argv[1:]
wait_for("OTLP", lambda: listens(otlp), START_LIMIT_S)
nodes = wait_for("nodes", lambda: json.loads(fetch(f"{page}/api/v1/graph"))["nodes"], FIRST_NODES_LIMIT_S)
wait_for("page", lambda: b"<html" in fetch(f"{page}/").lower(), FIRST_NODES_LIMIT_S)
print(f"smoke: {len(nodes)} nodes on the map")
