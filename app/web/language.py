"""The messages of the pages, from `assets/i18n`. Every text a person reads comes through here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from app.web import viewer
from app.web.options import LANGUAGES

PLACE = re.compile(r"\{(\d)\}")


class Messages:
    """All messages of all languages; the request decides which one is spoken."""

    def __init__(self, assets: Path) -> None:
        folder = assets / "i18n"
        self._texts = {one: orjson.loads((folder / f"{one}.json").read_bytes()) for one in LANGUAGES}

    def __call__(self, key: str, *values: object) -> str:
        """The message of `key` with `{0}`, `{1}`... filled; a missing key shows itself."""
        text: str = self._texts[viewer.language.get()].get(key, key)
        return PLACE.sub(lambda found: str(values[int(found[1])]) if int(found[1]) < len(values) else "", text)

    def __contains__(self, key: str) -> bool:
        return key in self._texts[viewer.language.get()]


def spoken(texts: Mapping[str, Any] | None, otherwise: str = "") -> str:
    """A text that comes in several languages, in the one of the request."""
    texts = texts or {}
    return str(texts.get(viewer.language.get()) or texts.get("en") or otherwise)
