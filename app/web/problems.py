"""Errors as `application/problem+json` (RFC 9457): a title, a detail, the key at fault; never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

TITLES = {
    400: "Bad request", 401: "Unauthorized", 403: "Refused", 404: "Not found", 405: "Method not allowed",
    411: "Length required", 413: "Too large", 415: "Unsupported media type", 421: "Misdirected request",
    429: "Too many requests", 500: "Internal error", 503: "Unavailable",
}  # fmt: skip


class Problem(Exception):
    """An answer that is an error: HTTP status, a sentence, the parameter at fault if there is one, and headers."""

    def __init__(self, status: int, detail: str, key: str | None = None,
                 headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.key, self.headers = status, detail, key, headers

    def response(self, headers: dict[str, str] | None = None) -> Response:
        """The answer to send."""
        return problem(self.status, self.detail, self.key, {**(self.headers or {}), **(headers or {})})


def problem(status: int, detail: str, key: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """A problem document. `key` is left out where no parameter is at fault."""
    body: dict[str, Any] = {"title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    if key is not None:
        body["key"] = key
    return Response(orjson.dumps(body), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem document."""
    app.add_exception_handler(Problem, _own)
    app.add_exception_handler(RequestValidationError, _parameter)
    app.add_exception_handler(HTTPException, _http)


async def _own(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _parameter(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    if fault["type"] == "json_invalid":
        return problem(400, f"The body is not JSON: {fault['ctx']['error']}.")
    key = str(fault["loc"][1]) if len(fault["loc"]) > 1 else None
    if fault["type"] == "extra_forbidden":
        return problem(400, f"There is no parameter {key!r} here.", key)
    return problem(400, str(fault["msg"]).removeprefix("Value error, "), key)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))
