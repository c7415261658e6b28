"""The document of `POST /api/v1/changes`: one change or a list of them. docs/changes.md describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from app.changes.documents import mapping, moment_s, text
from app.changes.told import LONGEST, Misread, Told
from topology.changes import ChangeKind, Outcome

KEYS = ("service", "at", "kind", "title", "version", "author", "link", "outcome", "ended", "uid", "environment")
MOST = 1000


def read(document: Any, now_s: float) -> list[Told]:
    """Every change of a document; what is wrong in the third of a list is called `[2].kind`."""
    if not isinstance(document, list):
        return [_one(mapping(document), now_s)]
    if len(document) > MOST:
        raise Misread("", f"more than {MOST} changes at once")
    told = []
    for place, one in enumerate(document):
        try:
            told.append(_one(mapping(one), now_s))
        except Misread as wrong:
            raise Misread(f"[{place}].{wrong.key}".rstrip("."), str(wrong)) from None
    return told


def _one(document: Mapping[str, Any], now_s: float) -> Told:
    unknown = next((key for key in document if key not in KEYS), None)
    if unknown is not None:
        raise Misread(str(unknown), f"there is no such key; expected some of {', '.join(KEYS)}")
    said = {key: _short(document, key) for key in ("version", "author", "link", "uid", "environment")}
    if said["link"] and urlsplit(said["link"]).scheme not in ("http", "https"):
        raise Misread("link", "expected a link that begins with http:// or https://")
    at_s, ended_s = moment_s(document, "at") or now_s, moment_s(document, "ended")
    if ended_s is not None and ended_s < at_s:
        raise Misread("ended", "it ended before it began")
    service, kind = _short(document, "service", "subject"), _word(ChangeKind, document, "kind", ChangeKind.DEPLOYMENT)
    title = _short(document, "title") or said["version"]
    if not title:
        raise Misread("title", "expected a title or a version")
    return Told(service, at_s, kind, title, "api", (service,) if service else (), said["uid"], said["environment"],
                said["version"], said["author"], said["link"],
                _word(Outcome, document, "outcome", Outcome.UNKNOWN), ended_s)


def _short(document: Mapping[str, Any], key: str, bound: str = "") -> str:
    said = text(document, key)
    most = LONGEST.get(bound or key, LONGEST["version"])
    if len(said) > most:
        raise Misread(key, f"longer than {most} characters")
    return said


def _word(words: Any, document: Mapping[str, Any], key: str, default: Any) -> Any:
    said = text(document, key)
    if not said:
        return default
    if said not in set(words):
        raise Misread(key, f"expected one of {', '.join(words)}")
    return words(said)
