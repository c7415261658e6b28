"""What is written down keeps step with the code: keys, collectors, messages; and the tree names no machine."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from app.kinds import config_of, kinds
from app.reading import parse, written
from app.settings import Settings

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `([\w.]+)` \| (?:`([^`]*)`)?[^|]*\|", re.MULTILINE)
EXAMPLE = parse((ROOT / "config" / "synoptic.yaml").read_text(encoding="utf-8"))


def keys(kind: Any, prefix: str = "") -> Iterator[str]:
    """Every key of a dataclass, with those of the dataclasses that are its defaults."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        key = prefix + written(field.name, hints[field.name])
        default = field.default if field.default is not MISSING else None
        nested = is_dataclass(default) and not hasattr(default, "from_text")
        yield from keys(type(default), f"{key}.") if nested else [key]


def settings_keys() -> set[str]:
    """The keys of the configuration; those of a collector have their own page."""
    return {key for key in keys(Settings) if key != "collectors"}


def rows(page: str) -> dict[str, str]:
    """The keys in the tables of a page, with the default written beside them."""
    return dict(ROW.findall((ROOT / "docs" / page).read_text(encoding="utf-8")))


def at(tree: Any, key: str) -> Any:
    """The value under a dotted key."""
    for word in key.split("."):
        tree = tree[word]
    return tree


def tracked() -> list[Path]:
    """Every file that belongs to the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of every file that is text."""
    for path in tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_every_key_is_explained():
    """docs/configuration.md has a row for every key, and none for a key that does not exist."""
    assert set(rows("configuration.md")) == settings_keys()


@pytest.mark.parametrize("page", ["configuration.md", *(f"collectors/{kind}.md" for kind in kinds())])
def test_explained_defaults_are_the_real_ones(page):
    """The defaults in the tables are those of config/synoptic.yaml, which a test compares with the code."""
    said = {key: text for key, text in rows(page).items() if text and "." in key}
    assert {key: yaml.safe_load(text) for key, text in said.items()} == {key: at(EXAMPLE, key) for key in said}


def test_example_holds_every_key_with_a_comment():
    """Every key stands in config/synoptic.yaml, below a comment of its own or of the keys beside it."""
    lines = (ROOT / "config" / "synoptic.yaml").read_text(encoding="utf-8").splitlines()
    for key in settings_keys():
        at(EXAMPLE, key)
        word = key.rpartition(".")[2]
        places = [number for number, line in enumerate(lines) if line.strip().startswith(f"{word}:")]
        assert any(any("#" in line for line in lines[max(0, place - 3) : place]) for place in places), key


@pytest.mark.parametrize("kind", kinds())
def test_every_collector_has_its_page(kind):
    """A kind of collector has a page with a row for every key, a sample, and a line in the configuration page."""
    page = (ROOT / "docs" / "collectors" / f"{kind}.md").read_text(encoding="utf-8")
    documented = {key.removeprefix(f"collectors.{kind}.") for key in rows(f"collectors/{kind}.md")}
    assert set(keys(config_of(kind))) <= documented
    assert "```yaml" in page
    assert f"collectors/{kind}.md" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_every_page_of_a_collector_has_its_module():
    """No page describes a collector that is gone."""
    assert {path.stem for path in (ROOT / "docs" / "collectors").glob("*.md")} == set(kinds())


def messages(language: str) -> Mapping[str, str]:
    """The message file of a language."""
    text = (ROOT / "assets" / "i18n" / f"{language}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def test_both_languages_have_the_same_messages():
    """Every message exists in English and Chinese, is not empty, and has the same placeholders."""
    english, chinese = messages("en"), messages("zh")
    assert set(english) == set(chinese)
    for key, text in english.items():
        assert text.strip(), key
        assert chinese[key].strip(), key
        assert sorted(re.findall(r"\{\d+\}", text)) == sorted(re.findall(r"\{\d+\}", chinese[key])), key


def test_every_decision_is_in_the_index():
    """docs/adr/README.md links every decision; each has context, decision and consequences."""
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        assert f"({path.name})" in index
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences")), path.name


def test_links_between_pages_lead_somewhere():
    """A relative link or picture in a page names a file that exists."""
    for name, text in texts():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                if "://" not in target:
                    assert ((ROOT / name).parent / target).exists(), f"{name} -> {target}"


MACHINE_PATH = re.compile(r"(?<![\w.$/}])/(?:work|farm|root|home/\w+|Users/\w+|tmp/bash\w*)/")
REGISTRY = re.compile(
    r"(?:pypi|pythonhosted|npmjs|crates|rubygems|anaconda|proxy\.golang)\.(?:org|com|io)"
    r"|(?:extra-)?index[-_]url\s*=?\s*http|//[^/\s\"']*(?:artifactory|nexus|pypi|mirror)"
)


def test_no_file_names_a_machine_or_a_registry():
    """The tree holds no absolute path of somebody's machine and no address of a package registry."""
    guilty = [name for name, text in texts() if MACHINE_PATH.search(text) or REGISTRY.search(text)]
    assert guilty == []


def test_constraints_are_names_and_versions_only():
    """constraints.txt pins every package with `==` and says nothing of where it came from."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in pins)


@pytest.mark.parametrize("page", ["README.md", "docs/collectors/otlp.md"])
def test_senders_told_the_grpc_port_are_told_to_speak_grpc(page: str) -> None:
    """SDKs speak HTTP unless told otherwise (OpenTelemetry, exporter specification), and the gRPC port does not."""
    blocks = re.split(r"\n\n|\n\|", (ROOT / page).read_text(encoding="utf-8"))
    told = [block for block in blocks if re.search(r"export [^`]*OTLP_ENDPOINT=\S+:4317", block)]
    assert told
    assert [block for block in told if "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" not in block] == []
