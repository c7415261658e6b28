"""The command line: what it prints, and with which code it ends."""

import gc
import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import main
from app.allocation import nothing_collected
from app.version import version

ROOT = Path(__file__).parent.parent


def run(*argv: str, **environ: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    return main(argv, out, err, environ), out.getvalue(), err.getvalue()


def start(*argv: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, ended."""
    return subprocess.run(
        [sys.executable, "-m", "app", *argv], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_version_is_the_one_of_the_project():
    """`synoptic version` prints the version and ends well."""
    ended = start("version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"synoptic {version()}\n", "")


@pytest.mark.parametrize("command", [(), ("serve",), ("demo",), ("check",), ("backup",), ("version",)])
def test_help_explains_every_command(command, capsys):
    """Each command explains itself, and the first page shows examples and the exit codes."""
    assert run(*command, "--help")[0] == 0
    shown = capsys.readouterr().out
    assert "usage: synoptic" in shown
    if not command:
        assert all(words in shown for words in ("synoptic demo --serve", "exit codes", "backup"))


@pytest.mark.parametrize(
    "argv",
    [(), ("sing",), ("serve", "--prot", "1"), ("demo", "--rate", "0"), ("demo", "--rate", "x"), ("backup",),
     ("demo", "--endpoint", "ht!tp://x"), ("demo", "--endpoint", "127.0.0.1"), ("demo", "--endpoint", "http://x:y")],
)
def test_bad_usage_ends_with_2(argv, capsys):
    """A typing error on the command line ends with 2 and says how it is used."""
    assert run(*argv)[0] == 2
    assert "usage: synoptic" in capsys.readouterr().err


def test_unknown_incident_names_those_there_are():
    """A demo with an incident that does not exist never starts, and says what could be started."""
    code, _, err = run("demo", "--incident", "nothing-of-the-kind")
    assert code == 2
    assert err.startswith("--incident: expected one of ")


def test_check_names_ten_faults_in_ten_lines(tmp_path):
    """`synoptic check` prints every fault on a line of its own and ends with 2."""
    file = tmp_path / "bad.yaml"
    file.write_text(
        "server: {http: x, base_path: bank, max_viewers: many, default_theme: pink}\n"
        "data: {memory_limit: lots}\n"
        "pairing: {horizon: soon, max_strings: 1}\n"
        "health: {availability: 2}\n"
        "logging: {level: loud}\n"
        "unheard: 1\n"
    )
    ended = start("check", "--config", str(file))
    lines = ended.stdout.splitlines()
    assert (ended.returncode, len(lines)) == (2, 10)
    assert all(": expected " in line and ", found " in line for line in lines)


def test_check_says_that_all_is_well():
    """A configuration without fault is called valid, and the command ends with 0."""
    assert run("check", "--config", str(ROOT / "config" / "synoptic.yaml"))[:2] == (0, "configuration is valid\n")


def test_check_looks_into_the_catalogue_file(tmp_path):
    """A catalogue in a file of its own is checked together with the configuration."""
    (tmp_path / "names.yaml").write_text("catalogue: {groups: [{id: a}, {id: a}]}")
    (tmp_path / "synoptic.yaml").write_text("catalogue: {file: names.yaml}")
    code, out, _ = run("check", "--config", str(tmp_path / "synoptic.yaml"))
    assert (code, out) == (2, "catalogue.groups: expected every id once, found 'a' twice\n")


def test_serve_with_bad_configuration_ends_with_2():
    """Nothing starts on a configuration at fault; the fault names where the value came from."""
    code, _, err = run("serve", "--http", "nowhere", SYNOPTIC__LOGGING__LEVEL="loud")
    assert code == 2
    assert "server.http (from --http): expected an address" in err
    assert "logging.level (from SYNOPTIC__LOGGING__LEVEL): expected debug or info or warning or error" in err


@pytest.mark.parametrize("command", [("serve",), ("demo", "--serve")])
def test_taken_port_is_said_clearly(command):
    """A port that another program uses ends with 1, the address and the key to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, _, err = run(*command, SYNOPTIC__SERVER__HTTP=address)
    assert code == 1
    assert err.startswith(f"synoptic: cannot listen at {address}: ")
    assert "server.http" in err


def test_garbage_is_sought_again_once_everything_is_loaded():
    """The collector rests while the product is imported, and no longer."""
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_backup_of_nothing_is_none(tmp_path):
    """Where nothing is stored no file is written that would pass for a backup, and no store is begun."""
    file, empty = tmp_path / "saved.duckdb", tmp_path / "data"
    code, out, err = run("backup", str(file), "--data-dir", str(empty))
    assert (code, out) == (1, "")
    assert err.startswith(f"synoptic: nothing is stored in {empty}")
    assert not file.exists()
    assert not empty.exists()


def test_backup_never_overwrites(tmp_path):
    """A file that is already there is left as it is."""
    file = tmp_path / "saved"
    file.write_text("precious")
    code, _, err = run("backup", str(file), SYNOPTIC__DATA__DIRECTORY=str(tmp_path))
    assert (code, file.read_text()) == (1, "precious")
    assert "exists already" in err
