"""The command line about objectives: `synoptic slo new` and `synoptic slo export`, and what `check` says of them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from app.settings import Settings
from topology.errors import ConfigurationError

NEW_EPILOG = """\
examples:
  synoptic slo new --service orders                              99.9 % of its calls do not fail, over 30 days
  synoptic slo new --service orders --threshold-ms 300 --target 99%
  synoptic slo new --service orders --operation "POST /orders" --target 0.9995
  synoptic slo new --service orders --to ledger --threshold-ms 50     the calls from one service to another
  synoptic slo new --match class=critical --target 0.9999         one objective for each service that fits
  synoptic slo new --service orders --out config/slos             write it where it is found
"""


def add_arguments(parser: ArgumentParser, add_config: Callable[[ArgumentParser], None]) -> None:
    """The subcommands of `synoptic slo`."""
    commands = parser.add_subparsers(dest="slo_command", required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="write a valid document from a few flags", epilog=NEW_EPILOG,
                              description="Write a valid, commented OpenSLO document from a few flags.",
                              formatter_class=RawDescriptionHelpFormatter)  # fmt: skip
    new.add_argument("--service", metavar="NAME", help="the service, by name or id")
    new.add_argument("--match", metavar="FACT=PATTERN", action="append",
                     help="every service that fits, such as domain=payments; may be given several times")
    new.add_argument("--to", metavar="NAME", help="only the calls from --service to this one")
    new.add_argument("--operation", metavar="NAME", help="one operation, such as 'POST /orders'")
    new.add_argument("--journey", metavar="NAME", help="an entry operation, as the customer feels it")
    new.add_argument("--zone", metavar="NAME", help="one zone only")
    new.add_argument("--target", metavar="SHARE", default="0.999", help="such as 0.999 or 99.9%% (default 0.999)")
    new.add_argument("--threshold-ms", metavar="MS", help="calls that end within it are good, instead of not failing")
    new.add_argument("--window", metavar="DURATION", default="30d", help="such as 7d, 28d or 30d (default 30d)")
    new.add_argument("--name", metavar="NAME", help="the objective's own name (default made of the others)")
    new.add_argument("--title", metavar="TEXT", help="what people read (default the name)")
    new.add_argument("--out", metavar="PATH", type=Path, help="a file, or a folder; must not exist yet as a file")
    add_config(new)
    export = commands.add_parser("export", help="equal rules for a Prometheus",
                                 description="Write recording and alerting rules over what /metrics exports.")
    export.add_argument("--prometheus", action="store_true", required=True, help="rules for a Prometheus")
    export.add_argument("--out", metavar="FILE", type=Path, help="where to; must not exist yet")
    add_config(export)


def run(arguments: Namespace, settings: Settings, out: TextIO, err: TextIO | None = None) -> None:
    """Runs `new` or `export`; raises ConfigurationError or OSError."""
    commands = {"new": _new, "export": _export}
    commands[arguments.slo_command](arguments, settings, out, err or sys.stderr)


def check(settings: Settings, out: TextIO) -> None:
    """Says what is doubtful about the documents; raises ConfigurationError with every fault."""
    from app.slo.definitions import Definitions, options_of

    found = Definitions(options_of(settings))
    for warning in found.warnings:
        print(warning, file=out)
    if found.faults:
        raise ConfigurationError(tuple(fault.as_fault() for fault in found.faults))


def _new(arguments: Namespace, settings: Settings, out: TextIO, err: TextIO) -> None:
    from app.slo.definitions import options_of, windows_in
    from app.slo.new import document

    windows, faults = windows_in(options_of(settings).windows)
    if faults:
        raise ConfigurationError(tuple(fault.as_fault() for fault in faults))
    text, doubts = document(arguments, windows)
    for doubt in doubts:
        print(f"warning: expected {doubt.expected}, found {doubt.found}", file=err)
    path = arguments.out / f"{_name_in(text)}.yaml" if arguments.out and arguments.out.is_dir() else arguments.out
    _write(text, path, out)


def _name_in(text: str) -> str:
    from app.slo.documents import read_text

    document = read_text(Path(), text).documents[0]
    return str(document["metadata"]["name"])  # type: ignore[index]  # it was read without fault


def _export(arguments: Namespace, settings: Settings, out: TextIO, err: TextIO) -> None:
    import yaml

    from app.slo.definitions import definitions_of
    from topology.slo.prometheus import rules_document
    from topology.slo.selection import is_pattern

    slos = definitions_of(settings).slos
    for slo in slos:
        if is_pattern(slo):
            print(f"left out: {slo.name}: which services it stands for is known only where it runs", file=err)
    rules = rules_document(slo for slo in slos if not is_pattern(slo))
    _write(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True, width=120), arguments.out, out)


def _write(text: str, path: Path | None, out: TextIO) -> None:
    if path is None:
        print(text, end="", file=out)
        return
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"written to {path}", file=out)
