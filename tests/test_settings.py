"""The configuration: every fault named in one line, and who beats whom."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import load
from app.kinds import config_of, kinds
from app.settings import Settings
from collectors.config import Address, Secret, octets, seconds
from topology.errors import ConfigurationError

CONFIG = Path(__file__).parent.parent / "config" / "synoptic.yaml"


def faults(tmp_path: Path, text: str, **environ: str) -> list[str]:
    """The lines that loading this document complains with."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text, **environ)
    return [str(fault) for fault in caught.value.faults]


def loaded(tmp_path: Path, text: str, **environ: str):
    """The settings of this document."""
    file = tmp_path / "synoptic.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def test_file_that_comes_along_says_the_defaults():
    """config/synoptic.yaml holds exactly the values that hold without any file, and examples that are off."""
    written, plain = load(CONFIG, {}), load(None, {})
    running = {name: one for name, one in written.collectors.items() if one.enabled}
    assert replace(written, collectors=running) == replace(plain, collectors=dict(plain.collectors))


FAULTS = {
    "a key with a typing error is named with its neighbour": (
        "server: {htp: 127.0.0.1:1}",
        "server.htp: expected a known key (did you mean http?), found an unknown key",
    ),
    "an unknown section is named": (
        "zzz: 1",
        "zzz: expected one of aliases, catalogue, changes, collectors, data, demo, environment, examples, health, "
        + "journal, layout, links, logging, masking, pairing, registry, server, slo, telemetry, found an unknown key",
    ),
    "an address without port": (
        "server: {http: localhost}",
        "server.http: expected an address such as 127.0.0.1:4317, found 'localhost'",
    ),
    "a port beyond the last": (
        "server: {http: 'localhost:70000'}",
        "server.http: expected an address such as 127.0.0.1:4317, found 'localhost:70000'",
    ),
    "a duration without unit": (
        "pairing: {horizon: 30}",
        "pairing.horizon: expected a duration such as 30s or 1h30m, found 30",
    ),
    "a duration out of range": (
        "pairing: {horizon: 1h}",
        "pairing.horizon: expected a duration such as 30s or 1h30m from 1s to 10m, found '1h'",
    ),
    "a size without unit": (
        "data: {memory_limit: 512}",
        "data.memory_limit: expected a size such as 64MiB, found 512",
    ),
    "a number out of range": (
        "server: {max_viewers: 0}",
        "server.max_viewers: expected a whole number from 1 to 100000, found 0",
    ),
    "true is no number": (
        "pairing: {max_series: true}",
        "pairing.max_series: expected a whole number from 100 to 5000000, found true",
    ),
    "a word that is not offered": (
        "server: {default_language: fr}",
        "server.default_language: expected en or zh, found 'fr'",
    ),
    "a member of a list": (
        "pairing: {protection: {http: [429, 20]}}",
        "pairing.protection.http[1]: expected a whole number from 100 to 599, found 20",
    ),
    "a single value for a list": (
        "server: {frame_ancestors: 'https://a.example'}",
        "server.frame_ancestors: expected a list, found 'https://a.example'",
    ),
    "an origin with a path": (
        "server: {frame_ancestors: ['https://a.example/x']}",
        "server.frame_ancestors[0]: expected an origin such as https://portal.example, found 'https://a.example/x'",
    ),
    "a section that is no mapping": ("server: [1]", "server: expected a mapping, found a list"),
    "a record without what it needs": (
        "aliases: [{address: '10.*'}]",
        "aliases[0].name: expected a value, found nothing",
    ),
    "a regular expression that is none": (
        "masking: {rules: [{name: x, pattern: '('}]}",
        "masking.rules[0].pattern: expected a regular expression (missing ), unterminated subpattern at position 0)"
        + ", found '('",
    ),
    "a kind that does not exist names those that do": (
        "collectors: {bank: {kind: pigeons}}",
        f"collectors.bank.kind: expected one of the known kinds ({', '.join(kinds())}), found 'pigeons'",
    ),
    "a collector without kind": (
        "collectors: {bank: {url: 'http://x'}}",
        f"collectors.bank.kind: expected one of the known kinds ({', '.join(kinds())}), found nothing",
    ),
    "a key of a collector": (
        "collectors: {otlp: {grcp: 127.0.0.1:1}}",
        "collectors.otlp.grcp: expected a known key (did you mean grpc?), found an unknown key",
    ),
    "a burn rate that a total outage could not reach": (
        "health: {availability: 0.9}",
        "health.page_burn: expected less than 10, the burn of a total outage at availability 0.9, found 14.4",
    ),
    "two listeners at one address": (
        "server: {http: 127.0.0.1:4317}",
        "collectors.otlp.grpc: expected an address that server.http does not have, found 127.0.0.1:4317",
    ),
    "a secret of the wrong type is not shown": (
        "collectors: {otlp: {token: 12345678}}",
        "collectors.otlp.token: expected text that is not empty, found something else, not shown",
    ),
    "a file that is not there": (
        "catalogue: {file: nowhere.yaml}",
        "catalogue.file: expected a readable file (No such file or directory), found 'nowhere.yaml'",
    ),
    "a variable that is not set": (
        "environment: ${NOT_SET}",
        "environment: expected the environment variable NOT_SET, found none of that name",
    ),
}


@pytest.mark.parametrize(("document", "complaint"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_is_one_line_with_key_expected_and_found(tmp_path, document, complaint):
    """Each fault names its key, what was expected and what was found."""
    assert complaint in faults(tmp_path, document)


def test_all_faults_are_named_at_once(tmp_path):
    """Ten faults in one file are ten lines, so that one look repairs them all."""
    document = """
    server: {http: x, base_path: bank, max_viewers: many, default_theme: pink}
    data: {memory_limit: lots}
    pairing: {horizon: soon, max_strings: 1}
    health: {availability: 2}
    logging: {level: loud}
    unheard: 1
    """
    assert len(faults(tmp_path, document)) == 10


@pytest.mark.parametrize(
    "document",
    ["server: [", "server: {}\nserver: {}", "- a\n- b", "just words", "\x00"],
)
def test_document_that_is_no_configuration_is_one_fault(tmp_path, document):
    """Broken YAML, keys written twice and documents of another shape are refused with the name of the file."""
    [line] = faults(tmp_path, document)
    assert line.startswith(f"{tmp_path / 'synoptic.yaml'}: expected ")
    assert "\n" not in line


def test_missing_file_is_a_fault(tmp_path):
    """A configuration that was asked for and is not there stops the start."""
    with pytest.raises(ConfigurationError, match="expected a readable file, found No such file"):
        load(tmp_path / "none.yaml", {})


def test_flag_beats_environment_beats_file(tmp_path):
    """The nearest to the person who starts the program wins."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("server: {http: 127.0.0.1:1, max_viewers: 1}\nenvironment: file\n")
    environ = {"SYNOPTIC__SERVER__HTTP": "127.0.0.1:2", "SYNOPTIC__SERVER__MAX_VIEWERS": "2"}
    settings = load(file, environ, {("server", "http"): ("127.0.0.1:3", "--http")})
    assert (settings.server.http.port, settings.server.max_viewers, settings.environment) == (3, 2, "file")


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("SYNOPTIC__DEMO", "true", lambda s: s.demo is True),
        ("SYNOPTIC__SERVER__ALLOWED_HOSTS", "a.example, b.example",
         lambda s: s.server.allowed_hosts == ("a.example", "b.example")),
        ("SYNOPTIC__PAIRING__PROTECTION__HTTP", "[429, 503]", lambda s: s.pairing.protection.http == (429, 503)),
        ("SYNOPTIC__HEALTH__AVAILABILITY", "0.99", lambda s: s.health.availability == 0.99),
        ("SYNOPTIC__PAIRING__HORIZON", "10s", lambda s: s.pairing.horizon_s == 10),
        ("SYNOPTIC__COLLECTORS__OTLP__GRPC", "null", lambda s: s.collectors["otlp"].config.grpc is None),
        ("SYNOPTIC__ENVIRONMENT", "0123", lambda s: s.environment == "0123"),
    ],
)  # fmt: skip
def test_environment_sets_any_type(name, text, read):
    """Text of the environment becomes what the key is made of."""
    assert read(load(None, {name: text}))


def test_environment_finds_a_collector_with_a_hyphen(tmp_path):
    """A variable's name knows no hyphens and no small letters; the collector of the file is meant all the same."""
    settings = loaded(
        tmp_path,
        "collectors: {Second-In: {kind: otlp, grpc: 127.0.0.1:1, http: null}}",
        SYNOPTIC__COLLECTORS__SECOND_IN__GRPC="127.0.0.1:2",
    )
    assert settings.collectors["Second-In"].config.grpc == Address("127.0.0.1", 2)


def test_fault_says_which_variable_it_came_from():
    """A fault in the environment names the variable, since no file shows it."""
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"SYNOPTIC__SERVER__HTTP": "here", "SYNOPTIC__SERVR__X": "1"})
    assert [fault.key for fault in caught.value.faults] == [
        "servr (from SYNOPTIC__SERVR__X)",
        "server.http (from SYNOPTIC__SERVER__HTTP)",
    ]


def test_secret_comes_from_a_variable_or_a_file(tmp_path):
    """Both ways give the same secret, without the line end of the file, and neither shows it."""
    (tmp_path / "token").write_text("s3cr3t\n")
    of_file = loaded(tmp_path, "collectors: {otlp: {token_file: token}}")
    of_variable = loaded(tmp_path, "collectors: {otlp: {token: '${TOKEN}'}}", TOKEN="s3cr3t")
    assert of_file == of_variable
    assert of_file.collectors["otlp"].config.token.reveal() == "s3cr3t"
    assert "s3cr3t" not in repr(of_file)


def test_secret_cannot_be_given_twice(tmp_path):
    """A token in the file and beside it would leave open which one holds."""
    (tmp_path / "token").write_text("a")
    assert faults(tmp_path, "collectors: {otlp: {token: b, token_file: token}}") == [
        "collectors.otlp.token_file: expected only one of token and token_file, found both"
    ]


def test_unreadable_secret_file_is_a_fault(tmp_path):
    """A token file that is not there stops the start instead of leaving the door open."""
    assert faults(tmp_path, "collectors: {otlp: {token_file: none}}") == [
        "collectors.otlp.token_file: expected a readable file, found none (FileNotFoundError)"
    ]


def test_variable_stands_inside_a_value(tmp_path):
    """`${NAME}` works in the middle of a text and for numbers; `$${` is a plain `${`."""
    settings = loaded(
        tmp_path,
        "server: {http: '${HOST}:8050', max_viewers: '${MANY}'}\nenvironment: 'x$${y}'",
        HOST="10.0.0.1",
        MANY="7",
    )
    assert str(settings.server.http) == "10.0.0.1:8050"
    assert (settings.server.max_viewers, settings.environment) == (7, "x${y}")


def test_otlp_stays_on_beside_other_collectors(tmp_path):
    """Naming a second collector does not switch off the first; `enabled: false` does."""
    both = loaded(tmp_path, "collectors: {second: {kind: otlp, grpc: 127.0.0.1:1, http: null}}")
    off = loaded(tmp_path, "collectors: {otlp: {enabled: false}}")
    assert set(both.collectors) == {"otlp", "second"}
    assert off.collectors["otlp"].enabled is False


def test_receivers_that_read_differently_are_a_fault(tmp_path):
    """Zones and metrics are read alike, whichever receiver they came to: who says otherwise is told so, and one that
    is off may say what it likes."""
    (tmp_path / "own.yaml").write_text("""collectors:
      otlp: {zone_attributes: [region]}
      inner: {kind: otlp, grpc: null, http: "127.0.0.1:5318", metrics: {a.metric: {signal: cpu}}}
      outer: {kind: otlp, enabled: false, zone_attributes: [rack]}
      third: {kind: otlp, grpc: null, http: "127.0.0.1:6318", zone_attributes: [region]}""")
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path / "own.yaml", {})
    assert [str(fault) for fault in raised.value.faults] == [
        "collectors.inner.zone_attributes: expected the same as collectors.otlp has, found something else",
        "collectors.inner.metrics: expected the same as collectors.otlp has, found something else",
    ]


def test_module_that_is_no_collector_cannot_be_loaded():
    """The configuration can name the modules of `collectors` and nothing else."""
    for name in ("os", "contract", "config", "otlp.config", "../app"):
        with pytest.raises(KeyError):
            config_of(name)


@given(st.integers(0, 59), st.integers(0, 59), st.integers(0, 23), st.integers(0, 400))
def test_duration_is_the_sum_of_its_parts(s, m, h, d):
    """Parts with different units add up."""
    assert seconds(f"{d}d{h}h{m}m{s}s") == ((d * 24 + h) * 60 + m) * 60 + s


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "-5m", "5m!", "1h 5m", "5M"])
def test_text_that_is_no_duration_is_refused(text):
    """Nothing is guessed: a number needs its unit."""
    with pytest.raises(ValueError, match=r"^"):
        seconds(text)


def test_sizes_have_binary_and_decimal_units():
    """MiB counts in powers of two, MB in powers of ten."""
    assert (octets("64MiB"), octets("1.5 KiB"), octets("1GB"), octets("7B")) == (64 << 20, 1536, 10**9, 7)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_address_reads_what_it_writes(ip, port):
    """Every IPv4 and IPv6 address survives being written and read."""
    address = Address(str(ip), port)
    assert Address.from_text(str(address)) == address


def test_secret_never_shows_its_text():
    """Neither printing nor formatting nor the settings around it show a secret."""
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {[secret]}"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["http", "file", "rules", "otlp", "kind", "token", "title", "match", "services", "x"]), inner,
        max_size=3),
    max_leaves=8), st.sampled_from(["server", "collectors", "catalogue", "masking", "aliases", "pairing", "health"]))
def test_any_value_anywhere_is_read_or_named(tmp_path_factory, value, section):
    """Whatever stands in a section, the answer is settings or faults, never another exception."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump({section: value}), encoding="utf-8")
    try:
        answer = load(file, {})
    except ConfigurationError as error:
        answer = error.faults
    assert isinstance(answer, Settings) or not any("\n" in str(fault) for fault in answer)
