"""`synoptic slo` and what `synoptic check` says about objectives: ten faults, ten messages, as docs/slo.md has them."""

import io
import re
from pathlib import Path

import pytest
import yaml

from app.__main__ import main
from app.slo.documents import read_text
from tests.openslo_documents import HOUSE
from tests.promtool import check_rules, needs_promtool
from topology.slo.openslo.documents import Document, read
from topology.slo.openslo.period import WORDS
from topology.slo.openslo.synoptic import FACTS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "slo.md").read_text(encoding="utf-8")


def run(*argv: str, **environ: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    return main(argv, out, err, environ), out.getvalue(), err.getvalue()


def objectives(text: str):
    """The objectives of a text, which has to be without fault."""
    found = read([Document("a", value) for value in read_text(Path("a"), text).documents], HOUSE)
    assert found.faults == ()
    return found.slos


def checked(folder: Path, text: str) -> tuple[int, list[str]]:
    """Exit code and lines of `check` about a folder with this file, without the name of the folder."""
    (folder / "orders.yaml").write_text(text, encoding="utf-8")
    code, out, _ = run("check", SYNOPTIC__SLO__DIRECTORY=str(folder))
    return code, [line.removeprefix(f"{folder}/") for line in out.splitlines()]


def section(title: str) -> str:
    """The text of docs/slo.md below a heading, up to the next."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


EXAMPLE = section("The full shape").partition("```yaml\n")[2].partition("```")[0]
FAULTS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+)` \|$", section("Ten faults and their messages"), re.MULTILINE)


def test_example_of_the_page_is_valid(tmp_path):
    """The full shape in docs/slo.md can be copied as it stands."""
    assert checked(tmp_path, EXAMPLE) == (0, ["configuration is valid"])


def test_page_has_ten_faults():
    """Ten different ones, each with what was written, what is written wrong, and the message."""
    assert len({old for old, _, _ in FAULTS}) == len({message for _, _, message in FAULTS}) == 10


@pytest.mark.parametrize(("good", "bad", "message"), FAULTS, ids=[bad[:40] for _, bad, _ in FAULTS])
def test_fault_of_the_page_gives_its_message(tmp_path, good, bad, message):
    """Whoever makes this fault in the example reads exactly this line, and nothing starts."""
    assert EXAMPLE.count(good) == 1
    assert checked(tmp_path, EXAMPLE.replace(good, bad)) == (2, [message])


def test_ten_faults_at_once_are_ten_lines(tmp_path):
    """All faults are named together, in the order of their lines."""
    (tmp_path / "slos").mkdir()
    for number, (good, bad, _) in enumerate(FAULTS):
        text = EXAMPLE.replace(good, bad).replace("name: orders-", f"name: n{number}-orders-")
        (tmp_path / "slos" / f"{number}.yaml").write_text(text, encoding="utf-8")
    code, out, _ = run("check", SYNOPTIC__SLO__DIRECTORY=str(tmp_path / "slos"))
    assert (code, len(out.splitlines())) == (2, 10)
    assert all(re.match(r".*\.yaml:\d+: .*: expected .*, found ", line) for line in out.splitlines())


def test_warning_is_printed_and_does_not_fail(tmp_path):
    """What is doubtful is said; the configuration is valid all the same."""
    code, lines = checked(tmp_path, EXAMPLE.replace("target: 0.999", "target: 0.9"))
    assert code == 0
    assert lines[0] == (
        "orders.yaml:27: spec.objectives[0].target: warning: unreachable: expected a target at which the page rule "
        "1h/5m can fire: it needs a burn of 14.4, found 0.9, at which even a total outage burns only 10"
    )
    assert lines[-1] == "configuration is valid"


def test_nothing_starts_on_an_objective_at_fault(tmp_path):
    """As with the rest of the configuration: exit code 2 and the line, before any port or file is opened."""
    (tmp_path / "orders.yaml").write_text(EXAMPLE.replace("target: 0.999", "target: 99.9"), encoding="utf-8")
    data = tmp_path / "data"
    code, _, err = run("serve", "--http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0",
                       "--data-dir", str(data), SYNOPTIC__SLO__DIRECTORY=str(tmp_path))  # fmt: skip
    assert (code, data.exists()) == (2, False)
    assert f"{tmp_path}/orders.yaml:27: spec.objectives[0].target: range: expected" in err


@pytest.mark.parametrize(
    "flags",
    [
        ("--service", "orders"),
        ("--service", "orders", "--threshold-ms", "300", "--target", "99%"),
        ("--service", "orders", "--operation", "POST /orders", "--window", "7d"),
        ("--service", "orders", "--journey", "POST /orders", "--zone", "a"),
        ("--service", "orders", "--to", "ledger", "--threshold-ms", "0.5"),
        ("--match", "class=critical", "--match", "domain=pay*"),
        ("--service", "订单", "--name", "orders", "--title", '订单: "成功" # {率}'),
        ("--service", "x" * 200),
        ("--service", "yes"),
    ],
)
def test_new_writes_a_valid_document(flags):
    """Whatever the flags, the text is read without fault and has comments for people."""
    code, out, _ = run("slo", "new", *flags)
    assert code == 0
    [slo] = objectives(out)
    assert slo.title
    assert out.count("#") >= 5


def test_new_says_what_was_asked():
    """Service, threshold, target and window are those of the flags, exactly."""
    flags = ("--service", "orders", "--threshold-ms", "300", "--target", "99.95%", "--window", "7d")
    _, out, _ = run("slo", "new", *flags)
    [slo] = objectives(out)
    good = slo.parts[0].indicator.good
    assert (slo.name, str(slo.target), slo.period.length) == ("orders-latency", "0.9995", "7d")
    assert (good.selection.services.name, good.counted, good.threshold_us) == ("orders", "faster_than", 300_000)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ((), "--service: expected either --service or --match, found neither"),
        (("--service", "a", "--match", "b=c"), "--service: expected either --service or --match, found both"),
        (("--service", "a", "--target", "1"), "--target: expected a number from 0 to below 1, found 1"),
        (("--service", "a", "--target", "100%"), "--target: expected a number from 0 to below 100, found 100"),
        (("--service", "a", "--target", "high"),
         "--target: expected a share such as 0.999, or a percentage such as 99.9%, found 'high'"),
        (("--service", "a", "--threshold-ms", "300ms"),
         "--threshold-ms: expected a number of milliseconds, found '300ms'"),
        (("--service", "a", "--threshold-ms", "0"),
         "--threshold-ms: expected milliseconds from 0.001 to 120000, in whole microseconds, found 0"),
        (("--service", "a", "--window", "1 month"), f"--window: expected {WORDS}, found '1 month'"),
        (("--service", "a", "--to", "b", "--operation", "c"),
         "--operation: expected no operation or journey beside path, found 'c'"),
        (("--match", "colour=red"), f"--match: expected one of {', '.join(sorted(FACTS))}, found an unknown field"),
        (("--match", "class"), "--match: expected FACT=PATTERN such as domain=payments, found 'class'"),
    ],
)  # fmt: skip
def test_new_refuses_nonsense(flags, fault):
    """The flag at fault is named, what was expected and what was found; nothing is printed or written."""
    code, out, err = run("slo", "new", *flags)
    assert (code, out, err.splitlines()[0]) == (2, "", fault)


def test_new_asks_for_a_name_when_none_can_be_made():
    """OpenSLO's names are small Latin letters; a service with none of them needs one given."""
    code, _, err = run("slo", "new", "--service", "订单")
    assert (code, err.startswith("--name: expected a name of at most 63 small letters")) == (2, True)


def test_new_never_overwrites(tmp_path):
    """Into a folder it writes a file of the objective's name, once."""
    code, out, _ = run("slo", "new", "--service", "orders", "--out", str(tmp_path))
    file = tmp_path / "orders-availability.yaml"
    assert (code, out) == (0, f"written to {file}\n")
    before = file.read_text()
    assert len(objectives(before)) == 1
    code, _, err = run("slo", "new", "--service", "orders", "--out", str(tmp_path), "--target", "0.5")
    assert (code, "File exists" in err, file.read_text()) == (1, True, before)


def test_new_and_check_go_together(tmp_path):
    """What was written for somebody's own service is found and valid."""
    run("slo", "new", "--service", "orders", "--out", str(tmp_path))
    assert run("check", SYNOPTIC__SLO__DIRECTORY=str(tmp_path))[:2] == (0, "configuration is valid\n")


def test_export_leaves_out_what_only_the_running_product_can_spread(tmp_path, capsys):
    """A pattern stands for services that are known later; it is named, everything else becomes rules."""
    code, out, _ = run("slo", "export", "--prometheus", "--config", str(ROOT / "config" / "demo.yaml"))
    assert code == 0
    assert "left out: critical-latency: " in capsys.readouterr().err
    names = {group["name"] for group in yaml.safe_load(out)["groups"]}
    assert "synoptic-slo-payment-order-availability" in names
    assert not any("critical-latency" in name for name in names)


@needs_promtool
def test_exported_rules_are_rules_for_a_prometheus(tmp_path):
    """promtool, which comes with Prometheus, has nothing to say against them."""
    file = tmp_path / "rules.yml"
    run("slo", "export", "--prometheus", "--config", str(ROOT / "config" / "demo.yaml"), "--out", str(file))
    said = check_rules(file)
    assert (said.returncode, "SUCCESS" in said.stdout) == (0, True), said.stderr


def test_export_of_faulty_objectives_ends_with_2(tmp_path):
    """No rules are made of half of what was meant."""
    (tmp_path / "a.yaml").write_text("a: 1")
    code, out, err = run("slo", "export", "--prometheus", SYNOPTIC__SLO__DIRECTORY=str(tmp_path))
    assert (code, out) == (2, "")
    assert f"{tmp_path}/a.yaml:1: a: unknown-field: expected one of apiVersion" in err
