"""A query interface over HTTP: where it is, who asks, and what is made of its silence."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import httpx

from collectors.config import Duration, Range, ReadableFile, Secret
from collectors.reaching import Url, login_faults, trust_faults
from topology.errors import SourceUnavailable, Why

MOST_BYTES = 16 << 20
"""Decoded, a reply takes several times as much memory as it has bytes."""
BUSY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the interface is: `url` with the path it is served under. Who asks: by name and password, by bearer token,
    or as nobody. `ca` holds the certificates that are trusted in place of those of the system. No request lasts longer
    than `timeout`; no more than `max_requests` are made for one reading."""

    url: Url
    username: str = ""
    password: Secret | None = None
    token: Secret | None = None
    ca: ReadableFile | None = None
    timeout_s: Annotated[float, Duration(1, 300)] = 20.0
    max_requests: Annotated[int, Range(10, 100_000)] = 2000

    def check(self) -> Iterator[tuple[str, str, str]]:
        """One way to log in, and certificates that are some."""
        yield from login_faults(self.username, self.password, token=self.token)
        yield from trust_faults(self.ca)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with a status below 500. `body` is None where it was larger than may be held."""

    status: int
    body: bytes | None


class Caller:
    """Asks one site. Thread-safe; `counters` are requests made, those that failed, and bytes read."""

    def __init__(self, site: Site, headers: Mapping[str, str] | None = None) -> None:
        self._site, self._base = site, site.url.rstrip("/")
        # no certificates are loaded for plain HTTP: redirects, which alone could need them, are not followed
        verify = ssl.create_default_context(cafile=site.ca) if self._base.startswith("https:") else False
        self._http = httpx.Client(timeout=site.timeout_s, verify=verify, auth=_login(site),
                                  trust_env=False, follow_redirects=False, headers=headers)
        self.counters = {"requests": 0.0, "requests_failed": 0.0, "bytes_read": 0.0}

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = "application/json") -> Reply:
        """The reply; SourceUnavailable, in plain words, when there was none, or a login is needed."""
        self.counters["requests"] += 1
        try:
            reply = self._read(path, params or {}, accept)
        except httpx.HTTPError as error:
            self.counters["requests_failed"] += 1
            raise _silence(error, self._site.timeout_s) from None
        if reply.status in (401, 403, 429) or 300 <= reply.status < 400:
            self.counters["requests_failed"] += 1
            raise _refusal(reply.status)
        return reply

    def _read(self, path: str, params: Mapping[str, str], accept: str) -> Reply:
        body = bytearray()
        with self._http.stream("GET", self._base + path, params=params, headers={"accept": accept}) as reply:
            for part in reply.iter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    return Reply(reply.status_code, None)
        self.counters["bytes_read"] += len(body)
        return Reply(reply.status_code, bytes(body))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


def _login(site: Site) -> Callable[[httpx.Request], httpx.Request]:
    """Who asks, with what the file of a secret says now: a password that was wrong is put right there."""
    def known(request: httpx.Request) -> httpx.Request:
        """The request with its login."""
        if site.password:
            return next(httpx.BasicAuth(site.username, site.password.reveal()).auth_flow(request))
        if site.token:
            request.headers["authorization"] = f"Bearer {site.token.reveal()}"
        return request

    return known


def _refusal(status: int) -> SourceUnavailable:
    if status == 401:
        refused = "the login was refused (401): check username and password, or the token"
        return SourceUnavailable(refused, why=Why.LOGIN)
    if status == 403:
        return SourceUnavailable("the login is known but may not do this (403)", why=Why.FORBIDDEN)
    if status == 429:
        return SourceUnavailable("it is too busy (429)", BUSY_S, Why.BUSY)
    elsewhere = f"it sends elsewhere ({status}): give the address that it is served under"
    return SourceUnavailable(elsewhere, why=Why.STRANGER)


def _silence(error: httpx.HTTPError, timeout_s: float) -> SourceUnavailable:
    if isinstance(error, httpx.TimeoutException):
        return SourceUnavailable(f"no answer within {timeout_s:g} s", why=Why.SLOW)
    if isinstance(error, httpx.ConnectError):
        return SourceUnavailable("cannot be reached: no connection", why=Why.UNREACHABLE)
    return SourceUnavailable(f"a broken answer ({type(error).__name__})", why=Why.UNREACHABLE)
