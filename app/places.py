"""Where the files that are no code lie: beside the packages in a checkout, inside `app` in a wheel."""

from __future__ import annotations

from pathlib import Path

_APP = Path(__file__).resolve().parent


def assets() -> Path:
    """The folder of styles, scripts, fonts and message files."""
    return _folder("assets")


def config() -> Path:
    """The folder of the configurations that come with the product."""
    return _folder("config")


def _folder(name: str) -> Path:
    packed = _APP / f"_{name}"
    # the packed one first: beside an installed `app` there may be a foreign folder of the same name
    return packed if packed.is_dir() else _APP.parent / name
