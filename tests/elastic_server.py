"""Real servers of Elasticsearch and OpenSearch, one node each, started by the scripts in tests/servers."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from running import free_ports

SERVERS = Path(os.environ.get("SYNOPTIC_SERVERS", Path(__file__).parent / "servers"))
VERSIONS = ("elasticsearch-7.17.28", "elasticsearch-8.19.0", "elasticsearch-9.1.0", "opensearch-2.19.1",
            "opensearch-3.8.0")
NOTHING: Mapping[str, str] = MappingProxyType({})
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
    tls: Path | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path | None:
        """The file with the certificate that is to be trusted, where it speaks TLS."""
        return self.tls / "ca.pem" if self.tls else None

    def start(self) -> None:
        """Starts the node and waits until it answers."""
        product, _, version = self.name.partition("-")
        command = [str(SERVERS / product / "start"), version, str(self.port), str(self.directory), *self.settings]
        environment = {"HEAP": "512m", "START_TIMEOUT": "180", **os.environ}
        environment |= {"TLS_DIR": str(self.tls)} if self.tls else {}
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        self.pid = json.loads(done.stdout.splitlines()[-1])["pid"]

    def stop(self) -> None:
        """Ends the node; its data stay."""
        subprocess.run([str(SERVERS / "stop"), str(self.pid)], check=True, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A request that has to succeed; its decoded answer."""
        answer = self._send(method, path, json=body, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.text[:500]}"
        return answer.json()

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        trusted = ssl.create_default_context(cafile=self.ca) if self.tls else False
        return httpx.request(method, f"{self.url}{path}", timeout=60, auth=self.login, verify=trusted, **more)

    def fill(self, index: str, mappings: Mapping[str, Any], documents: Iterable[Mapping[str, Any]],
             shards: int = 1) -> None:
        """Makes an index anew with these documents, which can be searched at once."""
        self._send("DELETE", f"/{index}")
        self.ask("PUT", f"/{index}", {"mappings": mappings, "settings": {
            "number_of_replicas": 0, "number_of_shards": shards}})
        self.add(index, documents)

    def add(self, index: str, documents: Iterable[Mapping[str, Any]]) -> None:
        """More documents in an index, which can be searched at once."""
        rows = [f'{{"index":{{"_index":"{index}"}}}}\n{json.dumps(document)}\n' for document in documents]
        answer = self._send("POST", "/_bulk?refresh=true", content="".join(rows),
                            headers={"content-type": "application/x-ndjson"})
        assert not answer.json()["errors"], answer.text[:500]

    def set(self, **settings: Any) -> None:
        """Changes settings of the cluster; dots are written as two underscores. None is the default."""
        named = {key.replace("__", "."): value for key, value in settings.items()}
        self.ask("PUT", "/_cluster/settings", {"persistent": named})


def certificates(folder: Path) -> Path:
    """A certificate for this machine with its key, and that of whoever signed it, as servers in Java read them."""
    folder.mkdir()
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(own.private_key_pem.bytes(), None)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.cert_chain_pems[0].write_to_path(folder / "node.pem")
    (folder / "node.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


@contextmanager
def running(name: str, *settings: str, secured: bool = False, files: Mapping[str, str] = NOTHING) -> Iterator[Server]:
    """A node of one of VERSIONS with settings of its own, and with files beside its configuration; its data are gone in
    the end. `secured`: an OpenSearch with its security plugin. Skips where there cannot be one (no Java, no Maven), but
    never where CI is set."""
    missing = [tool for tool in ("java", "javac", "mvn", "curl") if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"a real {name} needs {', '.join(missing)}")
    # not below the folders of pytest, which a server that drops its rights could not enter
    directory = Path(tempfile.mkdtemp(prefix=f"synoptic-{name}-"))
    directory.chmod(0o755)
    (port,) = free_ports(1)
    server = Server(name, directory / "node", port, settings)
    for file, text in files.items():
        (server.directory / "config").mkdir(parents=True, exist_ok=True)
        (server.directory / "config" / file).write_text(text)
    if secured:
        server.tls, server.login = certificates(directory / "tls"), ("admin", "admin")
    try:
        server.start()
        yield server
    finally:
        if server.pid:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
