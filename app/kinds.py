"""Which kinds of collectors there are: every module of the package `collectors` that has a `Config`."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import collectors

_SHARED = {"contract", "config", "elastic", "reaching", "receiving", "log_records", "resources", "spans"}
_ALWAYS: Mapping[str, Mapping[str, str]] = {"otlp": {"kind": "otlp"}}


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector of the configuration: its kind, and the `Config` of that kind."""

    kind: str
    config: Any
    enabled: bool = True

    @property
    def untouched(self) -> bool:
        """Whether it is one of the examples that come with the product, as it came: off, and with every default."""
        example = not self.enabled and self.kind not in _ALWAYS
        return example and all(_is_default(self.config, key) for key in fields(self.config))


def _is_default(config: Any, key: Field[Any]) -> bool:
    made = key.default_factory() if key.default_factory is not MISSING else key.default
    return made is MISSING or getattr(config, key.name) == made


def kinds() -> tuple[str, ...]:
    """The kinds that can be configured; nothing of theirs is loaded."""
    return tuple(sorted(name for _, name, _ in pkgutil.iter_modules(collectors.__path__) if name not in _SHARED))


def config_of(kind: str) -> type[Any]:
    """The dataclass with the keys of a kind; only this kind's module is loaded. KeyError for an unknown kind."""
    if kind not in kinds():
        raise KeyError(kind)
    folder = Path(collectors.__path__[0]) / kind
    config: type[Any] = import_module(f"collectors.{kind}.config" if folder.is_dir() else f"collectors.{kind}").Config
    return config


def default_collectors() -> dict[str, Collector]:
    """The collectors that run without any configuration."""
    return {name: Collector(raw["kind"], config_of(raw["kind"])()) for name, raw in _ALWAYS.items()}


def with_defaults(raw: Any) -> Any:
    """The written collectors together with those that are on by default."""
    if not isinstance(raw, Mapping):
        return raw if raw is not None else dict(_ALWAYS)
    merged = {name: {**base, **(raw.get(name) or {})} for name, base in _ALWAYS.items() if _mergeable(raw.get(name))}
    return {**raw, **merged}


def _mergeable(raw: Any) -> bool:
    return raw is None or isinstance(raw, Mapping)
