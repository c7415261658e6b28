"""One OAP server over HTTP: GraphQL requests under a ceiling of requests a second."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from collectors.skywalking.config import Config
from topology.errors import SourceUnavailable, Why


class Refused(Exception):
    """The OAP understood a request and turned all of it down: a query it does not know, or one too big."""


class TooSlow(SourceUnavailable):
    """The OAP, or what is in front of it, gave up on a request, or we did: less at a time may do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `data` by alias (None where it failed), and what went wrong of each alias."""

    data: Mapping[str, Any]
    errors: Mapping[str, str]


class Pace:
    """Lets requests begin no closer together than the ceiling says. Thread-safe."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self._apart_s, self._clock, self._sleep = 1.0 / per_second, clock, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next request may begin."""
        with self._lock:
            now = self._clock()
            begins = max(now, self._next)
            self._next = begins + self._apart_s
        if begins > now:
            self._sleep(begins - now)


class GraphQL:
    """Asks one OAP. Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pace = Pace(config.limits.requests_per_s)
        self._lock = threading.Lock()
        self._counted = {"requests": 0, "requests_refused": 0, "requests_failed": 0, "reply_bytes": 0}
        self._http = httpx.Client(verify=_trust(config), timeout=config.limits.timeout_s, trust_env=False)

    def ask(self, document: str, variables: Mapping[str, Any] | None = None) -> Answer:
        """What the OAP answers. Refused when it answers nothing of it; SourceUnavailable when it cannot be asked."""
        self._pace.wait()
        self._count("requests")
        try:
            # what the files of secrets say now: one that was put right is used without a restart
            reply = self._http.post(self._config.url, headers=_headers(self._config), auth=_auth(self._config),
                                    content=orjson.dumps({"query": document, "variables": variables or {}}))
        except httpx.HTTPError as failure:
            self._count("requests_failed")
            kind = TooSlow if isinstance(failure, httpx.TimeoutException) else SourceUnavailable
            reason, why = _words(failure)
            raise kind(reason, why=why) from failure
        self._count("reply_bytes", len(reply.content))
        return self._read(reply)

    def one(self, query: str, document: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The answer to a document of one query. SourceUnavailable when there is none."""
        try:
            answer = self.ask(document, variables)
        except Refused as refusal:
            raise SourceUnavailable(f"the OAP refuses {query}: {refusal}", why=Why.REFUSED) from refusal
        if answer.data.get(query) is None and answer.errors:
            failure = next(iter(answer.errors.values()))[:300]
            raise SourceUnavailable(f"the OAP failed in {query}: {failure}", why=Why.REFUSED)
        return answer.data.get(query)

    def counters(self) -> dict[str, float]:
        """Requests made, refused and failed, and bytes read."""
        with self._lock:
            return dict(self._counted)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _count(self, name: str, n: int = 1) -> None:
        with self._lock:
            self._counted[name] += n

    def _read(self, reply: httpx.Response) -> Answer:
        body = _document(reply)
        if body is None:
            self._count("requests_failed")
            kind = TooSlow if reply.status_code in (503, 504) else SourceUnavailable
            reason, why = _status_words(reply)
            raise kind(reason, _retry_after(reply), why)
        errors = [error for error in body.get("errors") or () if isinstance(error, Mapping)]
        data = body.get("data")
        if not isinstance(data, Mapping):
            self._count("requests_refused")
            raise Refused(_messages(errors) or "no data")
        return Answer(data, _by_alias(errors))


def _trust(config: Config) -> ssl.SSLContext | bool:
    """Whom to trust; reading the system's authorities takes a while, and without TLS none is needed."""
    if config.tls is not None:
        return config.tls.context()
    return config.url.startswith("https:")


def _headers(config: Config) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    headers |= {name: secret.reveal() for name, secret in config.headers.items()}
    if config.token is not None:
        headers["authorization"] = f"Bearer {config.token.reveal()}"
    return headers


def _auth(config: Config) -> httpx.Auth:
    if config.username is None or config.password is None:
        return httpx.Auth()
    return httpx.BasicAuth(config.username, config.password.reveal())


def _document(reply: httpx.Response) -> Mapping[str, Any] | None:
    """The GraphQL document of a reply. An OAP says 400 to a query it does not know, with a document that says why."""
    if reply.status_code not in (200, 400):
        return None
    try:
        body = orjson.loads(reply.content)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, Mapping) and ("data" in body or "errors" in body) else None


def _by_alias(errors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for error in errors:
        path = error.get("path") or [""]
        found[str(path[0])] = str(error.get("message", ""))
    return found


def _messages(errors: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(dict.fromkeys(str(error.get("message", "")) for error in errors))[:300]


def _words(failure: httpx.HTTPError) -> tuple[str, Why]:
    if isinstance(failure, httpx.TimeoutException):
        return "the OAP did not answer in time", Why.SLOW
    if "CERTIFICATE_VERIFY_FAILED" in str(failure):
        return "the certificate of the OAP, or of what is in front of it, is not trusted", Why.UNTRUSTED
    if isinstance(failure, httpx.ConnectError):
        return "the OAP cannot be reached", Why.UNREACHABLE
    return f"the connection to the OAP broke ({type(failure).__name__})", Why.UNREACHABLE


def _status_words(reply: httpx.Response) -> tuple[str, Why]:
    if reply.status_code in (401, 403):
        return f"the OAP, or what is in front of it, refuses us (HTTP {reply.status_code})", Why.LOGIN
    if reply.status_code in (200, 400):
        return "what answers at this address is no OAP: its reply is not GraphQL", Why.STRANGER
    return f"the OAP, or what is in front of it, answered HTTP {reply.status_code}", Why.REFUSED


def _retry_after(reply: httpx.Response) -> float:
    said = reply.headers.get("retry-after", "")
    return min(float(said), 3600.0) if said.isdigit() else 0.0
