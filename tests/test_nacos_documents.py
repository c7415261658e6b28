"""Replies of Nacos: those of a real 2.2.4 are read as they are, and nothing that is sent can break the reading."""

from __future__ import annotations

import json
import ssl
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from fake_nacos import FakeNacos, Registered, nacos
from hypothesis import given
from hypothesis import strategies as st

from app.reading import Reader
from collectors.contract import Context
from collectors.nacos import documents
from collectors.nacos.config import Config, Tls
from collectors.nacos.source import build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.masking import mask

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "nacos-live" / "2.2.4"
live = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no ../shared/samples/nacos-live here")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["code", "data", "hosts", "doms", "services", "count", "pageItems", "clusterMap", "serviceName",
                         "ip", "port", "weight", "metadata", "enabled", "accessToken", "tokenTtl", "x"]), inner),
    max_leaves=20,
)  # fmt: skip


def sample(name: str) -> Any:
    """What the real server replied."""
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))["reply"]


@live
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_lists_of_a_real_server_are_read(version):
    """Names and count of services, and of an instance its zone in the metadata, its cluster and its weight."""
    assert documents.names(sample(f"{version}-services")) == (["stock", "payments", "orders"], 3)
    first, second = documents.hosts(sample(f"{version}-instances"))
    assert (first.ip, first.port, first.cluster) == ("127.0.0.1", 18848, "DEFAULT")
    assert (second.cluster, second.weight, second.metadata) == ("zone-b", 2.5, {"zone": "b", "version": "1.2"})
    assert documents.hosts(sample(f"{version}-instances-unknown")) == ()
    assert [host.ip for host in documents.hosts(sample(f"{version}-instances-cluster"))] == ["10.1.0.2"]


@live
@pytest.mark.parametrize("name", ["v3-services", "v1-services-no-page", "v2-instances-no-name"])
def test_refusals_of_a_real_server_are_no_documents(name):
    """A 404 or a complaint about a parameter is not taken for a list."""
    with pytest.raises(documents.NotThere):
        documents.names(sample(name))
    with pytest.raises(documents.NotThere):
        documents.hosts(sample(name))
    with pytest.raises(documents.NotThere):
        documents.catalogue(sample(name), "public")


@live
@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [
        ("v1-services", "/v1/ns/service/list", {"pageNo": "1", "pageSize": "10"}),
        ("v2-services", "/v2/ns/service/list", {"pageNo": "1", "pageSize": "10"}),
        ("v1-instances", "/v1/ns/instance/list", {"serviceName": "orders"}),
        ("v2-instances", "/v2/ns/instance/list", {"serviceName": "orders"}),
    ],
)
def test_the_small_nacos_of_the_tests_answers_in_the_shape_of_the_real_one(name, path, asked):
    """The same keys with the same kinds of values, all the way down."""
    fake = FakeNacos([Registered("orders", "10.1.0.2", metadata={"zone": "b", "version": "1.2"})])
    assert shape(fake.answer(path, asked)) == shape(sample(name))


def shape(value: Any) -> Any:
    """The kinds of values of a document; of a list that of its first item."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


@live
def test_the_answer_to_a_login_is_read():
    """The token of a real login and its life."""
    raw = json.loads((SAMPLES / "auth.json").read_text(encoding="utf-8"))[0]["rawReply"]
    (body,) = [line for line in raw.split("\r\n") if line.startswith("{")]
    assert documents.token(json.loads(body)) == ("TOKEN", 18000.0)


@pytest.mark.parametrize(
    "read", [documents.names, documents.hosts, documents.token, lambda raw: documents.catalogue(raw, "public")]
)
@given(raw=VALUES)
def test_nothing_breaks_the_reading(read, raw):
    """Whatever a server sends is read or is not this API; nothing else is raised."""
    with suppress(documents.NotThere):
        read(raw)


def faults(**keys: Any) -> list[str]:
    """What is wrong with a configuration."""
    reader = Reader(Path())
    reader.record(Config, {"url": "http://nacos:8848", **keys}, "registry")
    return [str(fault) for fault in reader.faults]


def test_faults_of_a_configuration_are_named():
    """A password without a user, an address with a user in it, no namespace, a word that is no rule."""
    assert faults() == []
    assert "registry.username: expected a username together with its password" in faults(password="x")[0]
    assert "registry.url: expected an address such as http://host:8080" in faults(url="http://nacos:secret@h:1")[0]
    assert "registry.namespaces: expected at least one" in faults(namespaces=[])[0]
    assert "registry.environment_from: expected none or namespace or group" in faults(environment_from="cluster")[0]
    assert "registry.tls.certificate" in faults(tls={"certificate": __file__})[0]
    assert "registry.tls: expected certificates and a key in PEM" in faults(tls={"ca": __file__})[0]


def test_tls_trusts_whom_it_is_told_to_trust(tmp_path):
    """With the authority of the server it is asked, with another it is not; `verify: false` asks anybody."""
    authority, other = trustme.CA(), trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    for name, one in (("own", authority), ("other", other)):
        one.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    with nacos(FakeNacos([Registered("orders", "10.1.0.2")]), served) as fake:
        assert instances(fake, Tls(ca=tmp_path / "own.pem")) == 1
        assert instances(fake, Tls(verify=False)) == 1
        with pytest.raises(SourceUnavailable, match="no connection"):
            instances(fake, Tls(ca=tmp_path / "other.pem"))


def instances(fake: FakeNacos, tls: Tls) -> int:
    """How many instances one pull brings."""
    context = Context("prod", ladder(()), mask, lambda: 0.0)
    with closing(build(Config(fake.url, tls=tls), "registry", context)) as asked:
        return len(asked.pull(0, 60).instances or ())
