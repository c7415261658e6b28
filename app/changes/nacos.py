"""Configuration changes of Nacos, as the webhook of its plugin `nacos-webhook-config-change-plugin` (from 2.3) sends
them; a small listener in front of an older server sends the same fields: docs/changes.md.

The plugin sends the content too. It is not read: configuration holds secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.changes.documents import last_part, moment_s, text
from app.changes.told import Told
from topology.changes import ChangeKind, Outcome

_ENDING = re.compile(r"\.(?:ya?ml|properties|json|xml|html|txt|toml|conf)$")
WORDS = {"publish": "", "remove": " −", "import": " +"}
"""What stands behind the name: nothing for a new content, a sign for one that is gone or came from a file."""


def read(document: Mapping[str, Any], now_s: float) -> list[Told]:
    """The change of one piece of configuration; one that Nacos refused changed nothing."""
    if document.get("rs") is False:
        return []
    data_id, group = text(document, "dataId", needed=True), text(document, "group") or "DEFAULT_GROUP"
    tenant = text(document, "tenant") or text(document, "namespace") or "public"
    at_s = moment_s(document, "modifyTime", offset=text(document, "utcOffset") or "+08:00") or now_s
    word = next((said for begin, said in WORDS.items() if text(document, "action").lower().startswith(begin)), "")
    return [Told(f"{tenant}/{group}/{data_id}", at_s, ChangeKind.CONFIGURATION, f"{data_id}{word} · {group}", "nacos",
                 _names(document, data_id), f"{tenant}/{group}/{data_id}/{int(at_s)}", tenant,
                 text(document, "md5")[:8], text(document, "srcUser"), "", Outcome.SUCCEEDED, at_s)]


def _names(document: Mapping[str, Any], data_id: str) -> tuple[str, ...]:
    """The application it is for, or the one after which it is named: `orders.yaml`, `orders-prod.yaml`."""
    stem = _ENDING.sub("", last_part(data_id))
    return tuple(name for name in (text(document, "appName"), stem, stem.rpartition("-")[0]) if name)
