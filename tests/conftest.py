"""What holds for every test."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
from elastic_server import VERSIONS, Server, running

if TYPE_CHECKING:
    from browsing import Shop
    from known_routes import Picture
    from playwright.sync_api import Browser


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay until the end: no garbage is sought while they are loaded (a third of that time), and
    none among them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Lets the interpreter clear away at its end what stayed till then; libraries count what it leaves behind."""
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI is true a browser test that is left out has failed: nobody would miss it otherwise."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"a browser test must not be left out here: {report.longrepr}"
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One real browser for all tests of a module."""
    from browsing import chromium

    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop in a real product of the module's own."""
    from browsing import shop

    with shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture(scope="session", params=VERSIONS)
def search_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One real node a version, one after the other, for all modules: tests of one version run together."""
    with running(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    """The map of the known traffic as it was sent by OTLP."""
    from known_routes import sent_by_otlp

    return sent_by_otlp(tmp_path_factory.mktemp("sent"))
