"""Turns a tree of plain values, as YAML gives it, into frozen dataclasses. Every fault is collected, none is raised:
a field at fault keeps its default, and whoever asked looks at the faults before using the result.

A dataclass may say more about itself: `from_text` reads it from a single text (`EXPECTED` says what that looks like),
`check` yields (field, expected, found) for what only several fields together can tell.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from app.scalars import Refused, Text, plain, scalar, shown
from collectors.config import Duration, Secret, Size
from topology.errors import Fault

Record = TypeVar("Record")


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads values under a key. `faults` grows; relative file names start at `folder`."""

    folder: Path
    faults: list[Fault] = dataclasses.field(default_factory=list)

    def record(self, kind: type[Record], raw: Any, key: str = "") -> Record | None:
        """An instance of the dataclass `kind`; None when a field without a default is missing or at fault."""
        raw = plain(raw)
        if raw is None:
            raw = {}
        if not isinstance(raw, Mapping):
            self._fault(key, "a mapping", shown(raw))
            raw = {}
        hints = get_type_hints(kind, include_extras=True)
        names = {written(field.name, hints[field.name]): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        secrets = {f"{word}_file": word for word, field in names.items() if _is_secret(hints[field.name])}
        self._unknown_keys(raw, [*names, *secrets], key)
        before = len(self.faults)
        tree = self._with_secrets(raw, secrets, key)
        found = {
            field.name: self._field(hints[field.name], tree, word, _join(key, word))
            for word, field in names.items()
            if word in tree or _required(field)
        }
        return self._checked(kind, found, key, before)

    def value(self, hint: Any, raw: Any, key: str) -> Any:
        """A value of the annotated type `hint`; raises Refused when it does not fit."""
        if get_origin(hint) in (Union, types.UnionType):
            if raw is None or raw == Text("null"):
                return None
            hint = next(part for part in get_args(hint) if part is not type(None))
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if get_origin(bare) is tuple:
            return self._sequence(get_args(bare)[0], raw, key)
        if get_origin(bare) is Mapping:
            return self._mapping(get_args(bare)[1], raw, key)
        if dataclasses.is_dataclass(bare):
            return self._nested(bare, raw, key)
        return scalar(hint, raw, self.folder)

    def _nested(self, kind: Any, raw: Any, key: str) -> Any:
        if isinstance(raw, kind):
            return raw
        if hasattr(kind, "from_text") and isinstance(raw, str):
            try:
                return kind.from_text(str(raw))
            except ValueError as refusal:
                raise Refused(kind.EXPECTED) from refusal
        if kind is Secret or (hasattr(kind, "EXPECTED") and not isinstance(raw, Mapping)):
            raise Refused(kind.EXPECTED)
        return self.record(kind, raw, key)

    def _sequence(self, kind: Any, raw: Any, key: str) -> tuple[Any, ...]:
        items = plain(raw)
        if isinstance(raw, Text) and isinstance(items, str):
            items = [Text(part.strip()) for part in items.split(",") if part.strip()]
        if not isinstance(items, list | tuple):
            raise Refused("a list")
        read = (self.item(kind, item, f"{key}[{number}]") for number, item in enumerate(items))
        return tuple(item for item in read if item is not None)

    def _mapping(self, kind: Any, raw: Any, key: str) -> Mapping[str, Any]:
        items = plain(raw)
        if not isinstance(items, Mapping):
            raise Refused("a mapping")
        read = {str(name): self.item(kind, item, _join(key, str(name))) for name, item in items.items()}
        return types.MappingProxyType({name: item for name, item in read.items() if item is not None})

    def item(self, kind: Any, raw: Any, key: str) -> Any:
        """A value as `value` gives it; None, and one more fault, when it does not fit."""
        try:
            return self.value(kind, raw, key)
        except Refused as refusal:
            self._fault(key, str(refusal), shown(raw))
            return None

    def _field(self, hint: Any, tree: Mapping[str, Any], word: str, key: str) -> Any:
        if word not in tree:
            self._fault(key, "a value", "nothing")
            return None
        try:
            return self.value(hint, tree[word], key)
        except Refused as refusal:
            self._fault(key, str(refusal), "something else, not shown" if _is_secret(hint) else shown(tree[word]))
            return None

    def _checked(self, kind: type[Record], found: dict[str, Any], key: str, before: int) -> Record | None:
        if len(self.faults) > before:
            missing = [f for f in dataclasses.fields(kind) if _required(f) and found.get(f.name) is None]  # type: ignore[arg-type]
            return None if missing else kind(**{name: value for name, value in found.items() if value is not None})
        made = kind(**found)
        rules: Iterable[tuple[str, str, str]] = made.check() if hasattr(made, "check") else ()
        for word, expected, actual in rules:
            self._fault(_join(key, word), expected, actual)
        return made

    def _with_secrets(self, raw: Mapping[str, Any], secrets: Mapping[str, str], key: str) -> dict[str, Any]:
        """The tree with the secret of every `NAME_file` in the place of `NAME`; the text of an empty file."""
        tree = dict(raw)
        for word, name in secrets.items():
            file = tree.pop(word, None)
            if file is None:
                continue
            if tree.get(name) is not None:
                self._fault(_join(key, word), f"only one of {name} and {word}", "both")
            path = self.folder / str(file)
            try:
                text = path.read_text(encoding="utf-8")
                tree[name] = Secret.from_text(text, path) if text.strip() else text
            except (OSError, UnicodeDecodeError) as failure:
                self._fault(_join(key, word), "a readable file", f"{file} ({type(failure).__name__})")
        return tree

    def _unknown_keys(self, raw: Mapping[str, Any], known: list[str], key: str) -> None:
        for word in raw:
            if word not in known:
                near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
                words = f"a known key (did you mean {near[0]}?)" if near else f"one of {', '.join(sorted(known))}"
                self._fault(_join(key, str(word)), words, "an unknown key")

    def _fault(self, key: str, expected: str, found: str) -> None:
        self.faults.append(Fault(key or "the configuration", expected, found))


def written(name: str, hint: Any) -> str:
    """The key under which a user writes the field `name`: without `_s` or `_bytes` where the value has its unit, and
    without the `_` that keeps a name apart from a word of Python."""
    name = name.removesuffix("_")
    marks = {type(mark) for part in (hint, *get_args(hint)) for mark in getattr(part, "__metadata__", ())}
    if Duration in marks:
        return name.removesuffix("_s")
    return name.removesuffix("_bytes") if Size in marks else name


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_secret(hint: Any) -> bool:
    return Secret in (hint, *get_args(hint))


def _join(key: str, word: str) -> str:
    return f"{key}.{word}" if key and word else key or word


class _Loader(yaml.SafeLoader):
    """YAML without the trap that a key written twice silently wins over the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node; ConstructorError, with its line, when a key is written twice."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            word = self.construct_object(key_node, deep=True)
            if word in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{word!r} is written twice", key_node.start_mark)
            seen.add(word)
        return super().construct_mapping(node, deep=deep)


def parse(text: str) -> Any:
    """The plain values of a YAML document; yaml.YAMLError when it is none or a key is written twice."""
    return yaml.load(text, _Loader)  # noqa: S506 - the loader is a safe one
