"""A socket in the data directory through which the command line reaches the running product."""

from __future__ import annotations

import hashlib
import json
import socket
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topology.errors import StoreError
from topology.store.contract import Store

LONGEST_PATH = 100
TIMEOUT_S = 600.0


def _address(directory: Path) -> str:
    """The socket's path; a name made from the directory's where that is too long for a socket."""
    inside = directory.resolve() / "control.sock"
    if len(str(inside)) <= LONGEST_PATH:
        return str(inside)
    return str(Path(tempfile.gettempdir()) / f"synoptic-{hashlib.sha256(str(inside).encode()).hexdigest()[:16]}.sock")


@contextmanager
def serve(directory: Path, store: Store) -> Iterator[None]:
    """Answers requests for a backup while the context lasts."""

    class Handler(socketserver.StreamRequestHandler):
        """One request on the socket: a line of JSON, answered by another."""

        def handle(self) -> None:
            """Makes the backup that is asked for, and answers whether it is done, else why not."""
            try:
                store.backup(Path(json.loads(self.rfile.readline())["backup"]))
                answer: dict[str, object] = {"done": True}
            except (StoreError, OSError, ValueError, KeyError) as error:
                answer = {"done": False, "why": str(error)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    path = _address(directory)
    Path(path).unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(path, Handler) as listener:
        Path(path).chmod(0o600)
        thread = threading.Thread(target=listener.serve_forever, name="control", daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown()
            Path(path).unlink(missing_ok=True)


def ask_backup(directory: Path, path: Path) -> bool:
    """Asks a running product for a backup; False when none is running. StoreError when it could not be made."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(_address(directory))
        except OSError:
            return False
        connection.sendall(json.dumps({"backup": str(path)}).encode() + b"\n")
        answer = json.loads(connection.makefile().readline())
    if not answer["done"]:
        raise StoreError(answer["why"])
    return True
