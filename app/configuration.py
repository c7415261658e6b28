"""From a file, the environment and the command line to checked settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.catalogue import Catalogue, CatalogueFile, Entries
from app.kinds import Collector, config_of, kinds, with_defaults
from app.reading import Reader, parse
from app.scalars import Text
from app.settings import Settings
from topology.errors import ConfigurationError, Fault

PREFIX = "SYNOPTIC__"
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""`${NAME}`; group 1 is the escaped `$${`, which stands for `${` itself."""


@dataclasses.dataclass
class _Tree:
    """The raw values, and which variable or flag a value came from."""

    values: dict[str, Any]
    origins: dict[str, str] = dataclasses.field(default_factory=dict)

    def put(self, path: tuple[str, ...], text: str, origin: str) -> None:
        """Sets one value; a level that is no mapping yet becomes one."""
        level = self.values
        words = []
        for word in path:
            words.append(_spelled(word, level))
            if len(words) == len(path):
                break
            below = level.get(words[-1])
            level[words[-1]] = dict(below) if isinstance(below, Mapping) else {}
            level = level[words[-1]]
        level[words[-1]] = Text(text)
        self.origins[".".join(words)] = origin

    def override(self, environ: Mapping[str, str], only: str = "") -> None:
        """Sets what `SYNOPTIC__SECTION__KEY` of the environment says, of one section or of all."""
        for name in sorted(environ):
            path = tuple(name.removeprefix(PREFIX).split("__"))
            if name.startswith(PREFIX) and only in ("", path[0].lower()):
                self.put(path, environ[name], name)


def load(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[tuple[str, ...], tuple[str, str]] | None = None
) -> Settings:
    """The settings of a file (none: all defaults), overridden by `SYNOPTIC__SECTION__KEY` of the environment and
    then by flags, given as {path: (text, name of the flag)}. Raises ConfigurationError with every fault."""
    faults: list[Fault] = []
    tree = _Tree(_document(file, faults))
    tree.values = _expanded(tree.values, environ, "", faults)
    tree.override(environ)
    for path, (text, flag) in (flags or {}).items():
        tree.put(path, text, flag)
    reader = Reader(file.parent if file else Path(), faults)
    settings = _read(tree.values, reader)
    if faults or settings is None:
        raise ConfigurationError(tuple(_placed(fault, tree.origins) for fault in faults))
    return settings


def follow(file: Path | None, settings: Settings, environ: Mapping[str, str]) -> CatalogueFile | None:
    """Keeps the catalogue that is written in the configuration itself in step with it; None where there is no file."""
    if file is None:
        return None
    return CatalogueFile(file, Catalogue(settings.catalogue), lambda path: _catalogue(path, environ))


def _catalogue(file: Path, environ: Mapping[str, str]) -> Catalogue:
    """The one section, with its faults alone. That it now names a file of its own is one: only a start opens that."""
    faults: list[Fault] = []
    tree = _Tree({"catalogue": _document(file, faults).get("catalogue")})
    tree.values = _expanded(tree.values, environ, "", faults)
    tree.override(environ, only="catalogue")
    entries = Reader(file.parent, faults).record(Entries, tree.values["catalogue"], "catalogue")
    if entries is not None and entries.file:
        found = "a file of its own, which the next start reads"
        faults.append(Fault("catalogue.file", "the entries here, as at the start", found))
    if faults or entries is None:
        raise ConfigurationError(tuple(_placed(fault, tree.origins) for fault in faults))
    return Catalogue(entries)


def _read(values: dict[str, Any], reader: Reader) -> Settings | None:
    rest = {name: value for name, value in values.items() if name != "collectors"}
    collectors = _collectors(with_defaults(values.get("collectors")), reader)
    settings = reader.record(Settings, rest)
    if settings is None:
        return None
    whole = dataclasses.replace(settings, collectors=collectors)
    if not any(fault.key.startswith(("server", "collectors")) for fault in reader.faults):
        reader.faults.extend(Fault(*fault) for fault in whole.clashes())
    return whole


def _collectors(raw: Any, reader: Reader) -> dict[str, Collector]:
    if not isinstance(raw, Mapping):
        reader.faults.append(Fault("collectors", "a mapping from names to collectors", "something else"))
        return {}
    read = {str(name): _collector(value, f"collectors.{name}", reader) for name, value in raw.items()}
    return {name: collector for name, collector in read.items() if collector is not None}


def _collector(raw: Any, key: str, reader: Reader) -> Collector | None:
    if not isinstance(raw, Mapping):
        reader.faults.append(Fault(key, "a mapping with a kind", "something else"))
        return None
    kind = raw.get("kind")
    if kind not in kinds():
        found = repr(str(kind)) if kind else "nothing"
        reader.faults.append(Fault(f"{key}.kind", f"one of the known kinds ({', '.join(kinds())})", found))
        return None
    enabled = reader.item(bool, raw.get("enabled", True), f"{key}.enabled")
    own = {word: value for word, value in raw.items() if word not in ("kind", "enabled")}
    config = reader.record(config_of(str(kind)), own, key)
    return None if config is None else Collector(str(kind), config, bool(enabled))


def _document(file: Path | None, faults: list[Fault]) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        document = parse(file.read_text(encoding="utf-8"))
    except OSError as failure:
        faults.append(Fault(str(file), "a readable file", str(failure.strerror)))
        return {}
    except (UnicodeDecodeError, yaml.YAMLError) as failure:
        faults.append(Fault(str(file), "a YAML document", " ".join(str(failure).split())))
        return {}
    if document is not None and not isinstance(document, Mapping):
        faults.append(Fault(str(file), "a mapping of sections", "something else"))
        return {}
    return dict(document or {})


def _expanded(raw: Any, environ: Mapping[str, str], key: str, faults: list[Fault]) -> Any:
    """The values with every `${NAME}` replaced; a variable that is not set is a fault."""
    if isinstance(raw, Mapping):
        return {word: _expanded(value, environ, f"{key}.{word}".lstrip("."), faults) for word, value in raw.items()}
    if isinstance(raw, list):
        return [_expanded(value, environ, f"{key}[{number}]", faults) for number, value in enumerate(raw)]
    if not isinstance(raw, str) or "${" not in raw:
        return raw
    names = [found[2] for found in _VARIABLE.finditer(raw) if found[2]]
    faults.extend(
        Fault(key, f"the environment variable {name}", "none of that name") for name in names if name not in environ
    )
    return Text(_VARIABLE.sub(lambda found: "${" if found[1] else environ.get(found[2], ""), raw))


def _spelled(word: str, level: Mapping[str, Any]) -> str:
    """The key meant by a part of a variable's name, which knows neither small letters nor hyphens."""
    plain = word.lower()
    return next((key for key in level if str(key).lower().replace("-", "_") == plain.replace("-", "_")), plain)


def _placed(fault: Fault, origins: Mapping[str, str]) -> Fault:
    under = (origin for key, origin in origins.items() if key.startswith(f"{fault.key}."))
    origin = origins.get(fault.key) or (next(under, None) if fault.found == "an unknown key" else None)
    return dataclasses.replace(fault, key=f"{fault.key} (from {origin})") if origin else fault
