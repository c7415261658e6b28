"""The word files: everything that is said, in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

from app.configuration import load
from app.runner.wiring import build
from app.web import viewer
from app.web.language import Messages
from app.web.wording import Wording
from collectors.contract import Context
from topology.errors import Why
from topology.histogram import ladder

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "assets"


def test_every_refusal_has_words_in_both_languages() -> None:
    """What the find language can say to a person stands in the word files."""
    cases = json.loads((Path(__file__).parent / "find_cases.json").read_text(encoding="utf-8"))
    wanted = {f"find.expected.{case['error']['expected']}" for case in cases if "error" in case}
    for language in ("en", "zh"):
        assert wanted <= json.loads((ASSETS / "i18n" / f"{language}.json").read_text(encoding="utf-8")).keys()


def test_the_word_files_have_the_same_keys_and_places() -> None:
    """A text exists in both languages and takes the same values."""
    english, chinese = (
        json.loads((ASSETS / "i18n" / f"{one}.json").read_text(encoding="utf-8")) for one in ("en", "zh")
    )
    assert english.keys() == chinese.keys()
    places = re.compile(r"\{\d\}")
    assert [key for key in english if set(places.findall(english[key])) != set(places.findall(chinese[key]))] == []


def test_why_a_source_is_silent_is_said_in_the_readers_language() -> None:
    """Every kind of reason has words in Chinese before those of the source itself, which in English say it already."""
    w = Wording(Messages(ASSETS))
    assert {w.because(why, "no route") for why in Why} == {"no route"}
    token = viewer.language.set("zh")
    try:
        assert w.because("login", "refused (401)") == "登录被拒绝（refused (401)）"
        assert w.because(None, "no disk") == w.because("other", "no disk") == "no disk"
        assert len({w.because(why, "") for why in Why}) == len(Why)
    finally:
        viewer.language.reset(token)


def test_what_sources_count_has_words_in_both_languages() -> None:
    """Every figure that a source which is asked shows beside its name is said in words."""
    settings = load(ROOT / "config" / "synoptic.yaml", {})
    context = Context("prod", ladder(()), str, lambda: 0.0)
    figures = set()
    for name, collector in settings.collectors.items():
        if hasattr(collector.config, "pace"):
            puller = build(collector, name, context)
            figures |= {f"sources.counter.{figure}" for figure in puller.counters()}
            puller.close()
    assert len(figures) > 20
    for language in ("en", "zh"):
        assert figures - json.loads((ASSETS / "i18n" / f"{language}.json").read_text("utf-8")).keys() == set()
