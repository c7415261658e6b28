"""The rules of the house that a machine can check: sizes, names, and imports that do nothing."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("topology", "collectors", "app", "assets", "benchmarks", "tests", ".ci")
MOST_LINES, MOST_IN_FUNCTION = 400, 40
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "core", "common", "misc", "manager"}
OPENING = re.compile(
    r"^(?P<indent>\s*)(?!(?:if|for|while|switch|catch|else|do|try|with|return)\b)"
    r"(?:export )?(?:default )?(?:static )?(?:async )?(?:get |set )?"
    r"(?:function\b.*|(?:const|let) [\w$]+ = (?:async )?(?:function\b.*|(?:\(.*\)|[\w$]+) =>)|[#\w$]+\(.*\)) \{$"
)


def files(*suffixes: str) -> list[Path]:
    """The project's own files with these endings."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in suffixes]
    return [path for path in found if "vendor" not in path.parts and "__pycache__" not in path.parts]


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function in Python text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def script_functions(text: str) -> Iterator[tuple[str, int]]:
    """First line and length of every function in script text, found by its indentation."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if found := OPENING.match(line):
            closing = re.compile(re.escape(found["indent"]) + r"\}")
            end = next((at for at in range(number + 1, len(lines)) if closing.match(lines[at])), number)
            yield line.strip(), end - number + 1


def test_files_are_short():
    """No file of code, script or style is longer than 400 lines."""
    long = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n")
            for path in files(".py", ".mjs", ".js", ".css")}  # fmt: skip
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_functions_are_short():
    """No function is longer than 40 lines, in Python or in the browser."""
    long = []
    for path in files(".py", ".mjs", ".js"):
        find = python_functions if path.suffix == ".py" else script_functions
        measured = find(path.read_text(encoding="utf-8"))
        long += [f"{path.relative_to(ROOT)}: {name} ({lines})" for name, lines in measured if lines > MOST_IN_FUNCTION]
    assert long == []


def test_long_functions_would_be_found():
    """The measure sees functions, arrow functions and methods of scripts, and no `if`."""
    text = "export function a(x) {\n  if (x) {\n    y();\n  }\n}\nconst b = (x) => {\n};\nclass C {\n  #d(e) {\n  }\n}"
    assert [lines for _, lines in script_functions(text)] == [5, 2, 2]


def test_modules_are_named_after_what_they_are_about():
    """No module or folder is called utils, helpers, core, common or manager."""
    names = {path.stem for path in files(".py", ".mjs", ".css")} | {
        part for path in files(".py", ".mjs") for part in path.relative_to(ROOT).parts[:-1]
    }
    assert names & FORBIDDEN_NAMES == set()


def test_every_module_says_what_it_is():
    """Every module that holds code begins with a docstring."""
    silent = [str(path.relative_to(ROOT)) for path in files(".py") if path.stat().st_size and not _docstring(path)]
    assert silent == []


Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
READ_AT_A_GLANCE = 4
"""Lines: a function that is only used inside the one that it stands in is understood there."""


def silent_definitions(text: str) -> Iterator[str]:
    """The public classes, functions and methods of Python text that do not say what they do, however deep they are."""
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(part) for one in functions for part in ast.walk(one) if part is not one}
    for node in ast.walk(tree):
        if isinstance(node, Defined) and not node.name.startswith("_") and not ast.get_docstring(node):
            lines = (node.end_lineno or 0) - node.lineno + 1
            yield from [node.name] if id(node) not in inside or lines > READ_AT_A_GLANCE else []


def test_everything_public_says_what_it_does():
    """Every class, function and method of the product has a docstring, unless its name begins with an underscore."""
    product = [path for path in files(".py") if path.relative_to(ROOT).parts[0] in FOLDERS[:3]]
    silent = [f"{path.relative_to(ROOT)}: {name}" for path in product
              for name in silent_definitions(path.read_text(encoding="utf-8"))]
    assert silent == []


def test_silent_definitions_would_be_found():
    """The walk sees methods of private classes and long functions inside others, and passes what has a word to say."""
    private = "class _A:\n  def b(self): ...\n  def _c(self): ...\n"
    outer = "def d():\n  'Says.'\n  def e():\n" + "    x = 1\n" * 4 + "  def f(): ...\n"
    text = private + outer + "class G: ...\n"
    assert sorted(silent_definitions(text)) == ["G", "b", "e"]


def _docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


LOOK = """
import importlib, json, logging, os, signal, sys, threading
import numba, numpy, pandas, networkx, duckdb, grpc, dash, fastapi, plotly, structlog, opentelemetry.sdk.trace
def state():
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "handlers": [str(handler) for handler in logging.getLogger().handlers],
        "environment": sorted(os.environ), "folder": os.getcwd(), "files": sorted(os.listdir(".")),
    }
before, changed = state(), {}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    after = state()
    if after != before:
        changed[name] = [key for key in after if after[key] != before[key]]
        before = after
print(json.dumps(changed))
"""


def modules() -> list[str]:
    """The names of all modules of the product."""
    found = [path.relative_to(ROOT) for path in files(".py") if path.relative_to(ROOT).parts[0] in FOLDERS[:3]]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found]


@pytest.mark.timeout(180)
def test_importing_a_module_does_nothing(tmp_path):
    """Importing starts no thread, takes no signal, sets no variable, writes no file and prints nothing."""
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, json.dumps(modules())],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert (looked.returncode, looked.stderr, looked.stdout) == (0, "", "{}\n")
