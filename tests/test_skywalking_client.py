"""How an OAP is reached: through gateways that ask who we are, over TLS, no faster than allowed; what goes wrong is
said in plain words and without secrets."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from fake_oap import FakeOap, serving

from app.reading import Reader, parse
from collectors.config import Secret
from collectors.reaching import Tls
from collectors.skywalking.client import GraphQL, Pace, Refused
from collectors.skywalking.config import Config, Limits
from topology.errors import SourceUnavailable

PASSWORD = "hunter2"


def asked_with(oap: FakeOap, **said: object) -> dict[str, str]:
    """The headers of a request."""
    with serving(oap):
        client = GraphQL(Config(url=oap.url, **said))  # type: ignore[arg-type]
        client.ask("{version}")
        client.close()
    return {name.lower(): value for name, value in oap.headers[0].items()}


def failure(oap: FakeOap, **said: object) -> SourceUnavailable:
    """What is raised when the OAP is asked."""
    with serving(oap):
        client = GraphQL(Config(url=oap.url, **said))  # type: ignore[arg-type]
        with pytest.raises(SourceUnavailable) as raised:
            client.ask("{version}")
        client.close()
    return raised.value


def test_a_gateway_is_told_who_asks() -> None:
    """A name and password, a token, and headers of the house's own."""
    basic = asked_with(FakeOap(), username="synoptic", password=Secret(PASSWORD))
    assert basic["authorization"] == "Basic c3lub3B0aWM6aHVudGVyMg=="
    assert asked_with(FakeOap(), token=Secret("t0"))["authorization"] == "Bearer t0"
    assert asked_with(FakeOap(), headers={"x-api-key": Secret("k0")})["x-api-key"] == "k0"


def test_a_token_that_is_put_right_in_its_file_is_shown_from_the_next_request_on(tmp_path: Path) -> None:
    """Nobody restarts Synoptic because a gateway has another token."""
    kept, oap = tmp_path / "token", FakeOap()
    kept.write_text("old")
    with serving(oap):
        client = GraphQL(Config(url=oap.url, token=Secret.from_text("old", kept)))
        client.ask("{version}")
        kept.write_text("new")
        client.ask("{version}")
        client.close()
    shown = [{name.lower(): value for name, value in headers.items()}["authorization"] for headers in oap.headers]
    assert shown == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(("status", "body", "words"), [
    (401, b"", "refuses us"), (503, b"<html>", "HTTP 503"), (200, b"<html>hello", "no OAP"),
    (200, b'{"hello": 1}', "not GraphQL"), (404, b"", "HTTP 404")])  # fmt: skip
def test_what_is_wrong_is_said_plainly(status: int, body: bytes, words: str) -> None:
    """Who refuses us, what is no OAP, and what failed: each in words, without the password."""
    raised = failure(FakeOap(status=status, body=body), username="synoptic", password=Secret(PASSWORD))
    assert words in str(raised)
    assert PASSWORD not in str(raised)


def test_a_slow_oap_is_not_waited_for() -> None:
    """After the timeout it is unavailable."""
    assert "in time" in str(failure(FakeOap(delay_s=0.5), limits=Limits(timeout_s=0.1)))


def test_nobody_there_is_said() -> None:
    """A port on which nobody listens."""
    client = GraphQL(Config(url="http://127.0.0.1:9/graphql"))
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        client.ask("{version}")
    client.close()


def test_a_query_that_is_not_known_is_refused() -> None:
    """An OAP says 400 with the reason: that is no outage."""
    with serving(FakeOap(queries=())) as oap:
        client = GraphQL(Config(url=oap.url))
        with pytest.raises(Refused, match="FieldUndefined"):
            client.ask("query($d:Duration!){getAllServices(duration:$d){id}}")
        with pytest.raises(SourceUnavailable, match="refuses getAllServices"):
            client.one("getAllServices", "query($d:Duration!){getAllServices(duration:$d){id}}")
        client.close()


def test_requests_keep_their_distance() -> None:
    """Ten a second begin a tenth of a second apart, however fast they are asked for; a pause is not made up for."""
    slept: list[float] = []
    now = [100.0]
    pace = Pace(10, lambda: now[0], slept.append)
    for _ in range(3):
        pace.wait()
    now[0] += 5
    pace.wait()
    assert slept == pytest.approx([0.1, 0.2])


def test_tls_trusts_the_authority_of_the_house(tmp_path: Path) -> None:
    """Over https a server is asked whose certificate the file of `ca` signed, and no other."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(FakeOap(), context) as oap:
        trusting = GraphQL(Config(url=oap.url, tls=Tls(ca=tmp_path / "ca.pem")))
        assert trusting.ask("{version}").data == {"version": "10.1.0"}
        trusting.close()
        doubting = GraphQL(Config(url=oap.url))
        with pytest.raises(SourceUnavailable, match="not trusted"):
            doubting.ask("{version}")
        doubting.close()


def test_files_that_are_no_certificates_are_faults(tmp_path: Path) -> None:
    """A file of the configuration that is not what it is named after, and a certificate without its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "no.pem").write_text("nothing")
    assert [*Tls(ca=tmp_path / "ca.pem").check()] == []
    assert [key for key, _, _ in Tls(ca=tmp_path / "no.pem").check()] == [""]
    assert [key for key, _, _ in Tls(certificate=tmp_path / "ca.pem").check()] == ["certificate"]


@pytest.mark.parametrize(("written", "key"), [
    ("{zone: Nowhere/City}", "zone"), ("{username: a}", "username"), ("{events: {deploy: party}}", "events.deploy"),
    ("{address_learning: 10m}", "address_learning"), ("{url: 'http://user:pw@oap/graphql'}", "url"),
    ("{username: a, password: b, token: c}", "token"), ("{limits: {at_once: 99}}", "limits.at_once")])  # fmt: skip
def test_faults_of_the_configuration_name_their_key(written: str, key: str, tmp_path: Path) -> None:
    """What cannot be meant is found before anything is asked."""
    reader = Reader(tmp_path)
    reader.record(Config, parse(written))
    assert [fault.key for fault in reader.faults] == [key]
