"""The demo's bad deployment as the data shows it: the new version, the trouble, and the rollback."""

from __future__ import annotations

from app.demo.bank import Bank, load_bank
from app.demo.conditions import Running
from app.demo.simulate import simulate
from topology.deployments import SETTLES_S, Deployments, Sighting
from topology.model import Service

NOON_S = 1_790_000_000 - 1_790_000_000 % 86_400 + 4 * 3600
CARDS = Service("prod", "cards", "card-service")


def test_the_bad_deployment_of_the_script_shows_with_its_rollback() -> None:
    """At the script's strength card-service is deployed once and rolled back once, and nothing else is deployed."""
    bank = load_bank()
    act = next(act for act in bank.script if act.incident == "bad-deployment")
    begin_s, end_s = NOON_S + int(act.after_s), NOON_S + int(act.after_s + act.for_s)
    running = [Running(act.incident, begin_s, end_s, act.strength)]
    deployments, found = Deployments(), []
    for window_s in range(begin_s - int(SETTLES_S) - 20, end_s + 420, 10):
        seen: dict[tuple[str, str], float] = {}
        for journey in simulate(bank, 1, window_s, 10, running, rate=8.0):
            for span in journey.spans:
                place = span.place.service, span.place.version
                seen[place] = seen.get(place, 0.0) + 1
        found += deployments.note(Sighting(float(window_s), _service(bank, name), version, calls)
                                  for (name, version), calls in seen.items())
    assert [(change.service, change.title) for change in found] == [(CARDS, "6.2.4 → 6.3.0"), (CARDS, "6.3.0 → 6.2.4")]
    assert begin_s <= found[0].at_s <= begin_s + 120
    assert end_s - 30 <= found[1].at_s <= end_s + 30


def _service(bank: Bank, name: str) -> Service:
    return Service("prod", bank.services[name].domain, name)
