"""What a stranger may not do: foreign hosts and origins, large bodies, framing, and text that wants to be markup."""

import re
from dataclasses import replace

import pytest
from snapshots import Shelf, chain, node, span, trace
from web_server import serving

from app.web import WebOptions
from app.web.options import LANGUAGES
from app.web.security import known_host
from topology.errors import ConfigurationError

PORTAL = "https://portal.bank.example"
HOSTILE = "<script>alert(1)</script>"
KEPT = trace("b2" * 16, [span(HOSTILE, None, 0, 10, attributes={"<b>key</b>": HOSTILE}, service=HOSTILE)])


@pytest.fixture(scope="module")
def client():
    """A server that one portal may frame and that two names lead to."""
    options = WebOptions(frame_ancestors=(PORTAL,), allowed_hosts=("synoptic.bank.example",))
    hostile = node("x", title={"en": HOSTILE, "zh": HOSTILE}, why={"en": HOSTILE, "zh": HOSTILE},
                   runbook="javascript:alert(1)", owner=HOSTILE)  # fmt: skip
    whole = chain()
    with serving(Shelf({**whole, "nodes": [*whole["nodes"], hostile]}, traces=[KEPT]), options) as client:
        yield client


def policy(answer):
    """The content security policy as a mapping."""
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", ["/", "/sources", "/traces/abc", "/wall", "/wall/night", "/nowhere", "/api/v1/graph"])
def test_only_embed_may_be_framed(client, path):
    """Every page but the embedded ones refuses frames, from the portal too."""
    answer = client.get(path)
    assert policy(answer)["frame-ancestors"] == "'none'"
    assert answer.headers["x-frame-options"] == "DENY"


def test_embed_is_framed_by_the_listed_origins_only(client):
    """The embedded map names exactly the configured origins, and nobody when none is configured."""
    answer = client.get("/embed/map?focus=prod/bank/web")
    assert policy(answer)["frame-ancestors"] == PORTAL
    assert "x-frame-options" not in answer.headers
    with serving(Shelf()) as closed:
        assert policy(closed.get("/embed/map"))["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", ["/wall", "/embed/map"])
def test_plain_pages_have_no_inline_code(client, path):
    """Wall and embed load only files of this origin, so their policy needs no hash, no nonce, no exception."""
    answer = client.get(path)
    assert policy(answer)["script-src"] == "'self'"
    assert policy(answer)["style-src"] == "'self'"
    assert policy(answer)["default-src"] == "'none'"
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    assert "<style" not in answer.text
    assert re.findall(r"\s(?:on\w+|style)=", answer.text) == []


def test_the_map_page_allows_only_known_scripts(client):
    """No unsafe-inline and no unsafe-eval; the nonce for styles is new at each answer and on the first script."""
    first, second = client.get("/"), client.get("/")
    assert "unsafe" not in first.headers["content-security-policy"]
    assert re.fullmatch(r"'self'( 'sha256-[\w+/=]+')+", policy(first)["script-src"])
    nonces = [re.search(r"'nonce-([\w-]+)'", policy(answer)["style-src"])[1] for answer in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'<script nonce="{nonces[0]}" src="/assets/' in first.text


def test_pages_and_answers_are_not_kept(client):
    """Pages and answers are never stored by a browser or proxy; fingerprinted files are kept for good."""
    for path in ("/", "/wall", "/embed/map", "/api/v1/graph", "/metrics", "/nowhere"):
        assert client.get(path).headers["cache-control"] == "no-store"
    script = re.search(r'src="(/assets/[^"]+/map/wall\.mjs)"', client.get("/wall").text)[1]
    for coding in ("br", "gzip", "identity"):
        answer = client.get(script, headers={"accept-encoding": coding})
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers.get("content-encoding", "identity") == coding
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/wall", "/embed/map", "/api/v1/graph", "/api/typo", "/metrics"])
def test_every_answer_carries_the_headers(client, path):
    """Sniffing, referrers to others, and powerful features are off everywhere."""
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("127.0.0.1:8050", True), ("[::1]:8050", True), ("10.1.2.3", True), ("localhost", True),
        ("a.localhost:1", True),
        ("synoptic.bank.example:443", True), ("SYNOPTIC.bank.example", True), ("evil.example", False), ("", False),
        ("127.0.0.1.evil.example", False), ("synoptic.bank.example@evil.example", False), ("localhost.evil", False),
        ("2130706433", False), ("bänk.example", False),
    ],
)  # fmt: skip
def test_only_known_host_names(host, welcome):
    """Names not configured are refused, since DNS rebinding needs a name; addresses are always welcome."""
    assert known_host(host, ("synoptic.bank.example",)) is welcome


def test_a_foreign_host_sees_nothing_but_the_probe(client):
    """A rebound name gets an error from pages, interface and stream, and the probe that load balancers call."""
    foreign = {"host": "evil.example"}
    for path in ("/", "/api/v1/graph", "/api/v1/stream", "/wall", "/metrics"):
        answer = client.get(path, headers=foreign)
        assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")
    assert client.get("/healthz", headers=foreign).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204), ({"sec-fetch-site": "same-origin"}, 204), ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403), ({"origin": "https://evil.example"}, 403), ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415), ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)  # fmt: skip
def test_writes_come_from_here(client, headers, status):
    """A write from another origin, or one that a form of another page could send, changes nothing."""
    sent = {"content-type": "application/json", **headers}
    answer = client.put("/api/v1/positions", content=b"{}", headers=sent)
    assert answer.status_code == status


def test_forged_callbacks_never_run(client):
    """Dash's callbacks are under the same rule as every write."""
    body = b'{"output":"panel.children","inputs":[]}'
    for headers in ({"content-type": "text/plain"}, {"content-type": "application/json", "origin": PORTAL}):
        assert client.post("/_dash-update-component", content=body, headers=headers).status_code in (403, 415)


def test_bodies_are_bounded(client):
    """A body over the limit, or of unstated length, is refused before it is read."""
    large = b'{"a":"' + b"x" * 1_000_001 + b'"}'
    json = {"content-type": "application/json"}
    assert client.put("/api/v1/positions", content=large, headers=json).status_code == 413
    assert client.put("/api/v1/positions", content=iter([b"{}"]), headers=json).status_code == 411


def test_writing_positions_can_be_switched_off():
    """Where the option says no, nobody pins."""
    shelf = Shelf()
    with serving(shelf, WebOptions(write_positions=False)) as client:
        assert client.put("/api/v1/positions", json={"a": {"x": 1, "y": 1}}).status_code == 403
        assert shelf.pinned == {}


PANEL_OUTPUTS = [
    ("panel-above", "children"), ("panel-charts", "children"), ("panel-below", "children"), ("panel-frame", "hidden"),
    ("again", "disabled"), ("drawn", "data"),
]  # fmt: skip


def panel(client, identity, language="en"):
    """The panel of a node as Dash sends it to the browser."""
    body = {
        "output": f"..{'...'.join(f'{one}.{what}' for one, what in PANEL_OUTPUTS)}..",
        "outputs": [{"id": one, "property": what} for one, what in PANEL_OUTPUTS], "changedPropIds": ["selection.data"],
        "inputs": [{"id": "selection", "property": "data", "value": {"id": identity}},
                   {"id": "view", "property": "data", "value": {"window": "5m"}},
                   {"id": "again", "property": "n_intervals", "value": 0}],
        "state": [{"id": "drawn", "property": "data", "value": None}],
    }  # fmt: skip
    answer = client.post("/_dash-update-component", json=body, headers={"cookie": f"synoptic_lang={language}"})
    assert answer.status_code == 200
    response = answer.json()["response"]
    return [part for slot in ("above", "charts", "below") for part in response[f"panel-{slot}"]["children"]]


def components(tree):
    """Every component of a Dash tree as (type, props)."""
    if isinstance(tree, list):
        for part in tree:
            yield from components(part)
    elif isinstance(tree, dict) and "props" in tree:
        yield tree["type"], tree["props"]
        yield from components(tree["props"].get("children"))


def test_foreign_text_stays_text(client):
    """Hostile titles, sentences, keys and addresses arrive as text; no component that parses markup is used."""
    shown = list(components(panel(client, "prod/bank/x")))
    texts = [props.get("children") for _, props in shown]
    assert HOSTILE in texts
    assert {kind for kind, _ in shown} & {"Markdown", "DangerouslyAllowHTML", "Iframe", "Script"} == set()
    assert [props["href"] for _, props in shown if str(props.get("href", "")).lower().startswith("javascript:")] == []


def test_an_untrusted_selection_is_only_looked_up(client):
    """Whatever a browser sends as selection gives a panel or none, never an error."""
    assert panel(client, 7) == []
    assert panel(client, "") == []
    assert HOSTILE in str(panel(client, HOSTILE))


def test_the_language_is_that_of_the_request(client):
    """Address beats cookie beats browser, and what nobody offers falls back to the configured one."""
    def spoken(path="/", **headers):
        return re.search(r'<html lang="([\w-]+)"', client.get(path, headers=headers).text)[1]

    assert spoken() == "en"
    assert spoken(**{"accept-language": "zh-CN,zh;q=0.9"}) == "zh-CN"
    assert spoken(**{"accept-language": "fr,de"}) == "en"
    assert spoken(**{"accept-language": "zh", "cookie": "synoptic_lang=en"}) == "en"
    assert spoken("/wall?lang=zh", cookie="synoptic_lang=en") == "zh-CN"
    assert spoken("/wall?lang=%3Cscript%3E") == "en"
    chinese, english = (str(panel(client, "prod/bank/web", language)) for language in reversed(LANGUAGES))
    assert "黄金信号" in chinese
    assert "Golden signals" in english


def test_an_error_inside_tells_nothing(caplog):
    """A fault of ours is a problem document with all headers; the log has the trace, the answer does not."""
    class Broken(Shelf):
        """An engine that fails."""

        def quality(self):
            """Fails."""
            raise RuntimeError("secret detail")

    with serving(Broken()) as client:
        answer = client.get("/api/v1/quality")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("stripped", [True, False])
def test_a_proxy_may_strip_the_base_path_or_not(stripped):
    """Published below a path, the application answers requests with and without it and links to itself with it."""
    with serving(Shelf(), WebOptions(base_path="/synoptic/")) as client:
        base = "" if stripped else "/synoptic"
        assert client.get(f"{base}/api/v1/graph").status_code == 200
        page = client.get(f"{base}/wall").text
        scripts = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert scripts
        assert all(address.startswith("/synoptic/") for address in scripts)
        script = next(address for address in scripts if address.endswith("wall.mjs"))
        assert client.get(script.removeprefix("/synoptic") if stripped else script).status_code == 200


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"base_path": "synoptic"}, "web.base_path"), ({"base_path": "/a/../b/ "}, "web.base_path"),
        ({"frame_ancestors": ("*",)}, "web.frame_ancestors"), ({"language": "fr"}, "web.language"),
        ({"frame_ancestors": ("https://a.example; script-src *",)}, "web.frame_ancestors"),
        ({"theme": "pink"}, "web.theme"), ({"max_viewers": 0}, "web.max_viewers"),
    ],
)  # fmt: skip
def test_bad_options_stop_the_start(changes, key):
    """An option that cannot work, or that would open the policy, is refused with its key."""
    with pytest.raises(ConfigurationError) as refused:
        replace(WebOptions(), **changes)
    assert [fault.key for fault in refused.value.faults] == [key]


def test_nothing_is_fetched_from_outside(client):
    """No page names another host, apart from what the policy forbids anyway."""
    for path in ("/", "/wall", "/embed/map", "/sources", "/nowhere"):
        assert re.findall(r'(?:src|href)="(?:https?:)?//', client.get(path).text) == []


def test_a_page_that_does_not_exist_is_404(client):
    """Dash would answer every address with its page; here an unknown one says so, in words, as 404."""
    for path in ("/nowhere", "/_dash-nope", "/sources/x", "/traces/a/b", "/docs", "/wall/a/b"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "Nothing here" in answer.text
