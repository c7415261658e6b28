"""The servers of a cluster: one is asked, and when it does not answer the next; logged in where that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from collectors.nacos.config import Config
from collectors.nacos.documents import NotThere, token
from collectors.reaching import Tls
from topology.errors import SourceUnavailable, Why

LOGINS = ("/v3/auth/user/login", "/v1/auth/login")
RENEW_AT = 0.8
"""After which share of its life a token is renewed."""
AFTER_REFUSAL_S = 60.0
"""How long a refused login is left alone, so that nobody's account is locked."""
Params = Mapping[str, str | int]


class Refused(NotThere):
    """The server answered 403 to a token it had just given, or to none."""


class Exhausted(Exception):
    """One pull has made as many requests as it may."""


class Servers:
    """Asks a cluster; `begin` starts the count of one pull. Of one thread at a time."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self._urls = [_base(url) for url in (config.url, *config.other_urls)]
        self._config, self._clock = config, clock
        # no certificates are loaded for plain HTTP: redirects, which alone could need them, are not followed
        https = any(url.startswith("https:") for url in self._urls)
        verify = (config.tls or Tls()).context() if https else False
        self._http = httpx.Client(timeout=config.timeout_s, verify=verify, follow_redirects=False, trust_env=False)
        self._token, self._renew_s, self._left = "", 0.0, 0
        self.counters: dict[str, float] = {"requests": 0, "logins": 0, "failovers": 0}

    def begin(self) -> None:
        """Another pull begins: its requests are counted from none."""
        self._left = self._config.max_requests

    def get(self, path: str, params: Params) -> Any:
        """The document at a path. NotThere when no such API answers there (Refused: not to us), SourceUnavailable
        when no server answers, Exhausted when the pull has made all its requests."""
        fresh = self._log_in() if self._config.username and self._clock() >= self._renew_s else False
        reply = self._ask("GET", path, params=params)
        if reply.status_code in (401, 403) and self._config.username and not fresh:
            self._log_in()
            reply = self._ask("GET", path, params=params)
        return _document(reply)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _log_in(self) -> bool:
        """Fetches a token; True when there is a new one. A server that knows no login has none to give."""
        assert self._config.username is not None
        assert self._config.password is not None
        self._token = ""
        form = {"username": self._config.username, "password": self._config.password.reveal()}
        for path in LOGINS:
            try:
                reply = self._ask("POST", path, data=form)
                if reply.status_code in (401, 403):
                    raise SourceUnavailable("the login was refused", AFTER_REFUSAL_S, Why.LOGIN)
                self._token, lasts_s = token(_document(reply))
            except NotThere:
                continue
            self._renew_s = self._clock() + lasts_s * RENEW_AT
            self.counters["logins"] += 1
            return True
        self._renew_s = self._clock() + AFTER_REFUSAL_S
        return False

    def _ask(self, method: str, path: str, **said: Any) -> httpx.Response:
        """The answer of the first server that has one; it is asked first from then on."""
        if self._left <= 0:
            raise Exhausted
        self._left -= 1
        failures = []
        for base in list(self._urls):
            self.counters["requests"] += 1
            try:
                reply = self._http.request(method, base + path, headers=self._headers(), **said)
            except httpx.HTTPError as error:
                failures.append(f"{_shown(base)}: {_reason(error)}")
            else:
                if reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    raise SourceUnavailable("asked too often (HTTP 429)", AFTER_REFUSAL_S, Why.BUSY)
                if reply.status_code < 500:
                    return reply
                failures.append(f"{_shown(base)}: HTTP {reply.status_code}")
            self._urls.append(self._urls.pop(0))
            self.counters["failovers"] += len(self._urls) > 1
        raise SourceUnavailable("no server answers; " + "; ".join(failures), why=Why.UNREACHABLE)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def _document(reply: httpx.Response) -> Any:
    if reply.status_code in (401, 403):
        raise Refused("not permitted (HTTP 403)")
    if reply.status_code != httpx.codes.OK:
        raise NotThere(f"HTTP {reply.status_code}")
    try:
        return reply.json()
    except ValueError as error:
        raise NotThere("the answer is not JSON") from error


def _base(url: str) -> str:
    """The address of the API: under /nacos unless the configuration names a path."""
    url = url.rstrip("/")
    return url if urlsplit(url).path else f"{url}/nacos"


def _shown(base: str) -> str:
    return urlsplit(base).netloc


def _reason(error: httpx.HTTPError) -> str:
    words: dict[type[httpx.HTTPError], str] = {
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.ConnectError: "no connection",
    }
    return words.get(type(error), f"broken answer ({type(error).__name__})")
