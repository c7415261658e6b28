"""Who may tell of changes, and how often. The guard in front of every request has seen to host, origin, type, size."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator
from hmac import compare_digest
from ipaddress import ip_address

from fastapi import Request

from app.web.problems import Problem

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class ChangeGuard:
    """Lets those in who show the token; without one only programs on this machine, and no proxy's callers. For one
    thread."""

    def __init__(self, token: str, per_minute: int, clock: Callable[[], float]) -> None:
        self._token, self._per_s, self._clock = token, per_minute / 60, clock
        self._most = self._left = float(max(1, per_minute))
        self._counted_s = clock()

    def check(self, request: Request, token: str | None) -> None:
        """Problem 401 or 403 for whoever may not, 429 when there were too many."""
        if self._token:
            if not any(compare_digest(shown.encode(), self._token.encode()) for shown in _shown(request, token)):
                raise Problem(401, "Show the token: the header authorization: Bearer TOKEN.",
                              headers={"www-authenticate": "Bearer"})
        elif not _is_here(request):
            raise Problem(403, "Without changes.token only programs on this machine may tell of changes.",
                          "changes.token")
        self._count()

    def _count(self) -> None:
        now_s = self._clock()
        self._left = min(self._most, self._left + max(0.0, now_s - self._counted_s) * self._per_s)
        self._counted_s = now_s
        if self._left < 1:
            wait_s = math.ceil((1 - self._left) / self._per_s)
            raise Problem(429, "Too many requests; try again in a while.", "changes.per_minute",
                          {"retry-after": str(wait_s)})
        self._left -= 1


def _shown(request: Request, token: str | None) -> Iterator[str]:
    """Every token that a request shows: as bearer, as password, as GitLab sends it, in the address."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        yield value.strip()
    if kind.lower() == "basic":
        try:
            yield base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
        except binascii.Error:
            return
    yield request.headers.get("x-gitlab-token", "")
    yield token or ""


def _is_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
