"""Real servers of Elasticsearch and OpenSearch, one node each, started by the scripts in tests/servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import free_ports

SERVERS = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers"))
VERSIONS = ("elasticsearch-7.17.28", "elasticsearch-8.19.0", "elasticsearch-9.1.0", "opensearch-2.19.1",
            "opensearch-3.8.0")
START_S = 540
"""A first start downloads the server."""


@dataclass
class Server:
    """A running node: `url`, and what is done to it beside what is tested."""

    name: str
    directory: Path
    port: int
    settings: tuple[str, ...]
    pid: int = 0
    login: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the node and waits until it answers."""
        product, _, version = self.name.partition("-")
        command = [str(SERVERS / product / "start"), version, str(self.port), str(self.directory), *self.settings]
        environment = {"HEAP": "512m", "START_TIMEOUT": "180", **os.environ}
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        self.pid = json.loads(done.stdout.splitlines()[-1])["pid"]

    def stop(self) -> None:
        """Ends the node; its data stay."""
        subprocess.run([str(SERVERS / "stop"), str(self.pid)], check=True, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A request that has to succeed; its decoded answer."""
        answer = httpx.request(method, f"{self.url}{path}", json=body, timeout=60, auth=self.login, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.text[:500]}"
        return answer.json()

    def fill(self, index: str, mappings: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> None:
        """Makes an index anew with these documents, which can be searched at once."""
        httpx.delete(f"{self.url}/{index}", timeout=60, auth=self.login)
        self.ask("PUT", f"/{index}", {"mappings": mappings, "settings": {"number_of_replicas": 0}})
        rows = [f'{{"index":{{"_index":"{index}"}}}}\n{json.dumps(document)}\n' for document in documents]
        answer = httpx.post(f"{self.url}/_bulk?refresh=true", content="".join(rows), timeout=60, auth=self.login,
                            headers={"content-type": "application/x-ndjson"})
        assert not answer.json()["errors"], answer.text[:500]

    def set(self, **settings: Any) -> None:
        """Changes settings of the cluster; dots are written as two underscores. None is the default."""
        named = {key.replace("__", "."): value for key, value in settings.items()}
        self.ask("PUT", "/_cluster/settings", {"persistent": named})


@contextmanager
def running(name: str, *settings: str) -> Iterator[Server]:
    """A node of one of VERSIONS with settings of its own; its data are gone in the end. Skips where there cannot be one
    (no Java, no Maven), but never where CI is set."""
    missing = [tool for tool in ("java", "javac", "mvn", "curl") if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"a real {name} needs {', '.join(missing)}")
    # not below the folders of pytest, which a server that drops its rights could not enter
    directory = Path(tempfile.mkdtemp(prefix=f"synoptic-{name}-"))
    directory.chmod(0o755)
    (port,) = free_ports(1)
    server = Server(name, directory / "node", port, settings)
    try:
        server.start()
        yield server
    finally:
        if server.pid:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
