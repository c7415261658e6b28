"""The command line: `synoptic serve`, `demo`, `check`, `slo`, `backup`, `version`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TextIO
from urllib.parse import urlsplit

from app import log
from app.allocation import nothing_collected, reuse_freed_memory
from app.configuration import follow, load
from app.settings import Settings
from app.slo.command import add_arguments
from app.version import version
from collectors.otlp.grpc_polling import poll_directly
from topology.errors import ConfigurationError, Fault, SynopticError

ENDED, FAILED, MISUSED = 0, 1, 2
DEFAULT_FILE = Path("config/synoptic.yaml")
DESCRIPTION = "A live map of services, drawn from their traces: who calls whom, how well, and where trouble starts."
EPILOG = """\
examples:
  synoptic demo --serve                       a simulated bank, to look at: open http://127.0.0.1:8050
  synoptic serve                              the product; send OTLP to 127.0.0.1:4317 (gRPC) or 4318 (HTTP)
  synoptic serve --http 0.0.0.0:8050          let others open the page
  synoptic check --config my.yaml             every fault of a configuration, one a line
  synoptic check --live                       besides, every source asked once: what it has, and how it is read
  synoptic slo new --service orders           an objective for a service, to save in config/slos

exit codes: 0 stopped by a signal after a clean end, 2 bad configuration or usage, 1 anything else
"""
SERVE_EPILOG = """\
Every key of the configuration can also be set as SYNOPTIC__SECTION__KEY, for example
SYNOPTIC__SERVER__DEFAULT_LANGUAGE=zh. A flag beats the environment, which beats the file.
"""
DEMO_EPILOG = """\
examples:
  synoptic demo --serve                                       everything on this machine
  synoptic demo --endpoint http://127.0.0.1:4317 --rate 50    traffic for a product that already runs
  synoptic demo --serve --incident slow-database              with an incident to watch
"""
FLAGS = {
    "http": ("server", "http"),
    "data_dir": ("data", "directory"),
    "otlp_grpc": ("collectors", "otlp", "grpc"),
    "otlp_http": ("collectors", "otlp", "http"),
}


def entry() -> NoReturn:
    """The console command `synoptic`."""
    poll_directly(os.environ)
    reuse_freed_memory()
    code = main(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # else taking the interpreter down prints hundreds of lines about what a library never frees


def main(
    argv: Sequence[str], out: TextIO | None = None, err: TextIO | None = None, environ: Mapping[str, str] | None = None
) -> int:
    """Runs one command and returns its exit code; nothing is raised for bad input."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as asked:
        return asked.code if isinstance(asked.code, int) else MISUSED
    commands: dict[str, Callable[[Namespace, Mapping[str, str], TextIO], int]] = {
        "serve": _serve, "demo": _demo, "check": _check, "slo": _slo, "backup": _backup, "version": _version,
    }  # fmt: skip
    try:
        return commands[arguments.command](arguments, os.environ if environ is None else environ, out)
    except ConfigurationError as error:
        print(*error.faults, sep="\n", file=err)
        return MISUSED
    except KeyboardInterrupt:
        return ENDED
    except (SynopticError, OSError) as error:
        print(f"synoptic: {error}", file=err)
        return FAILED


def _serve(arguments: Namespace, environ: Mapping[str, str], _out: TextIO) -> int:
    from app.together import refuse_taken_ports

    settings = _settings(arguments, environ)
    log.configure(settings.logging.level, settings.logging.format)
    refuse_taken_ports(settings)
    with nothing_collected():
        from app import product  # only now: a fault is said before the numeric libraries are loaded

    return product.run(settings, follow(_file(arguments), settings, environ))


def _demo(arguments: Namespace, environ: Mapping[str, str], out: TextIO) -> int:
    from app.demo.bank import load_bank

    incidents = sorted(load_bank().incidents)
    if arguments.incident not in (None, *incidents):
        raise ConfigurationError((Fault("--incident", f"one of {', '.join(incidents)}", repr(arguments.incident)),))
    log.configure()
    if arguments.serve:
        from app.together import run_both

        return run_both(arguments, environ)
    from app.demo.command import options_from, run

    options = options_from(arguments)
    return run(options, _stop_event(), say=lambda text: print(text, file=out, flush=True))


def _check(arguments: Namespace, environ: Mapping[str, str], out: TextIO) -> int:
    from app.catalogue import load as load_catalogue
    from app.slo.command import check

    try:
        settings = _settings(arguments, environ)
        if settings.catalogue.file:
            load_catalogue(settings.catalogue.file)
        check(settings, out)
    except ConfigurationError as error:
        print(*error.faults, sep="\n", file=out)
        return MISUSED
    print("configuration is valid", file=out)
    if not arguments.live:
        return ENDED
    from app.live import tell

    return ENDED if tell(settings, lambda line: print(line, file=out, flush=True)) else FAILED


def _slo(arguments: Namespace, environ: Mapping[str, str], out: TextIO) -> int:
    from app.slo.command import run

    run(arguments, _settings(arguments, environ), out)
    return ENDED


def _backup(arguments: Namespace, environ: Mapping[str, str], out: TextIO) -> int:
    settings = _settings(arguments, environ)
    if arguments.file.exists():
        raise OSError(f"{arguments.file} exists already; a backup never overwrites a file")
    from app import product

    product.backup(settings, arguments.file)
    print(f"saved to {arguments.file}", file=out)
    return ENDED


def _version(_arguments: Namespace, _environ: Mapping[str, str], out: TextIO) -> int:
    print(f"synoptic {version()}", file=out)
    return ENDED


def _settings(arguments: Namespace, environ: Mapping[str, str]) -> Settings:
    given = {name: getattr(arguments, name, None) for name in FLAGS}
    flags = {FLAGS[name]: (text, "--" + name.replace("_", "-")) for name, text in given.items() if text is not None}
    return load(_file(arguments), environ, flags)


def _file(arguments: Namespace) -> Path | None:
    return arguments.config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)


def _stop_event() -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _parser() -> ArgumentParser:
    parser = ArgumentParser("synoptic", description=DESCRIPTION, epilog=EPILOG,
                            formatter_class=RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, epilog: str = "") -> ArgumentParser:
        return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=epilog,
                                   formatter_class=RawDescriptionHelpFormatter)  # fmt: skip

    serve = command("serve", "run the product", SERVE_EPILOG)
    _add_config(serve)
    serve.add_argument("--http", metavar="HOST:PORT", help="where the page is (default 127.0.0.1:8050)")
    serve.add_argument("--otlp-grpc", metavar="HOST:PORT", help="where OTLP/gRPC comes in (default 127.0.0.1:4317)")
    serve.add_argument("--otlp-http", metavar="HOST:PORT", help="where OTLP/HTTP comes in (default 127.0.0.1:4318)")
    _add_demo(command("demo", "send the traffic of a simulated bank as OTLP", DEMO_EPILOG))
    check = command("check", "name every fault of a configuration and its objectives, one a line", SERVE_EPILOG)
    _add_config(check)
    check.add_argument("--live", action="store_true",
                       help="also ask every source once, and tell how what it has is read")
    add_arguments(command("slo", "write an objective, or rules for a Prometheus"), _add_config)
    backup = command("backup", "save the stored data to a file, also while the product runs")
    backup.add_argument("file", metavar="FILE", type=Path, help="where to; must not exist yet")
    _add_config(backup)
    command("version", "print the version")
    return parser


def _add_config(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"the configuration (default {DEFAULT_FILE})")
    parser.add_argument("--data-dir", metavar="DIR", help="where the stored data is (default ./data)")


def _add_demo(parser: ArgumentParser) -> None:
    parser.add_argument("--serve", action="store_true", help="run the product beside it")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same traffic (default 1)")
    parser.add_argument("--rate", metavar="CALLS_PER_S", type=_rate, help="how much traffic")
    parser.add_argument("--endpoint", metavar="URL", type=_endpoint, help="where to send it (default http://127.0.0.1:4317)")
    parser.add_argument("--incident", metavar="NAME", help="an incident to start with, instead of the hourly script")
    parser.add_argument("--incident-after", metavar="SECONDS", type=_seconds, dest="incident_after_s",
                        help="when it begins (default at once)")
    parser.add_argument("--incident-for", metavar="SECONDS", type=_seconds, dest="incident_for_s",
                        help="how long it lasts")
    parser.add_argument("--backfill", metavar="SECONDS", type=_seconds, dest="backfill_s",
                        help="history to send first")


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ArgumentTypeError(f"expected seconds from 0 to 3600, found {text!r}")
    return seconds


def _endpoint(text: str) -> str:
    try:
        address = urlsplit(text)
        known = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        known = False
    if not known:
        raise ArgumentTypeError(f"expected an address such as http://127.0.0.1:4317, found {text!r}")
    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 100_000:
        raise ArgumentTypeError(f"expected calls a second from above 0 to 100000, found {text!r}")
    return rate


if __name__ == "__main__":
    entry()
