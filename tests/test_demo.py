"""The simulated bank: that a seed decides its traffic, how much there is, and what an incident changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalogue import load as load_catalogue
from app.demo.bank import load_bank, usual_rates
from app.demo.command import DemoBank
from app.demo.conditions import Running, conditions, day_factor
from app.demo.conventions import failed
from app.demo.saturation import readings
from app.demo.simulate import Ending, Place, Role, simulate
from topology.model import Kind, Service

BANK = load_bank()
NOON = 1_767_319_200  # Friday 2 January 2026, 10:00 in the bank
SATURDAY = NOON + 86_400
USUAL = {  # calls a second of the whole bank, to the left of the callee
    "retail-customers": "2400 mobile-banking 640 wechat-banking 310 internet-banking 40 atm-network",
    "corporate-clients": "180 corporate-banking",
    "branch-staff": "120 branch-teller",
    "partners": "420 open-banking",
    "mobile-banking": "2380 retail-gateway",
    "wechat-banking": "630 retail-gateway",
    "internet-banking": "300 retail-gateway",
    "atm-network": "40 branch-gateway",
    "corporate-banking": "178 corporate-gateway",
    "branch-teller": "118 branch-gateway",
    "open-banking": "415 partner-gateway",
    "retail-gateway": "410 transfer-service 520 payment-order 85 bill-payment 1320 account-query 380 card-service "
                      "40 loan-application 60 deposit-service 690 identity-center",
    "corporate-gateway": "62 transfer-service 70 account-query 18 deposit-service 4 loan-application "
                         "60 identity-center",
    "branch-gateway": "34 deposit-service 60 account-query 42 card-service 47 identity-center",
    "partner-gateway": "190 merchant-acquiring 24 account-query 180 payment-order 140 identity-center",
    "payment-order": "640 payment-routing 700 fraud-screening 690 payment-events 690 account-center",
    "transfer-service": "470 limit-center 120 payment-routing 470 fraud-screening 480 account-center",
    "bill-payment": "84 payment-routing",
    "account-query": "1410 account-center",
    "deposit-service": "88 account-center 44 limit-center 110 deposit-core",
    "card-service": "230 card-authorization 160 customer-center",
    "merchant-acquiring": "185 card-authorization 185 payment-events",
    "loan-application": "44 customer-center 12 limit-center 42 credit-decision",
    "payment-routing": "310 clearing-core 40 interbank-clearing",
    "fraud-screening": "1150 risk-feature-cache",
    "payment-events": "690 notification 300 clearing-core",
    "account-center": "620 deposit-core 1850 ledger-core",
    "limit-center": "940 limit-cache",
    "card-authorization": "410 card-core 125 card-network 190 limit-cache",
    "credit-decision": "40 loan-core 38 credit-bureau",
    "identity-center": "980 session-cache",
    "customer-center": "210 customer-db",
    "deposit-core": "700 deposit-core-db",
    "clearing-core": "260 interbank-clearing 600 clearing-core-db 300 ledger-core",
    "card-core": "800 card-core-db",
    "loan-core": "90 loan-core-db",
    "notification": "60 customer-db 20 session-cache",
    "ledger-core": "2540 ledger-core-db",
}
EDGES = {
    (caller, callee): float(rate)
    for caller, text in USUAL.items()
    for rate, callee in zip(text.split()[::2], text.split()[1::2], strict=True)
}
USERS = {"retail-customers", "corporate-clients", "branch-staff", "partners"}


def journeys(incidents=(), seconds=30, rate=40.0, seed=1, tick=NOON):
    """The journeys of some seconds."""
    return list(simulate(BANK, seed, tick, seconds, incidents, rate))


def calls(found):
    """(caller, callee) -> the spans at the caller's side, or the callee's where users and queues call."""
    spans = defaultdict(list)
    for journey in found:
        for span in journey.spans:
            if span.role in {Role.CLIENT, Role.PRODUCER}:
                spans[span.place.service, span.peer].append(span)
            elif span.role is Role.CONSUMER:
                spans[span.peer, span.place.service].append(span)
            elif span.parent < 0:
                spans[journey.entry.users, span.place.service].append(span)
    return spans


def spans_at(found, service, role=Role.SERVER):
    """The spans of one side of one service."""
    return [span for journey in found for span in journey.spans if span.place.service == service and span.role is role]


def touches(journey, *services):
    """Whether a journey meets one of the services."""
    return any(span.place.service in services or span.peer in services for span in journey.spans)


def share_failed(spans):
    """The share of the spans that failed."""
    return sum(map(failed, spans)) / len(spans)


@given(seed=st.integers(0, 10_000), tick=st.integers(NOON - 10**6, NOON + 10**6))
@settings(max_examples=20, deadline=None)
def test_a_seed_decides_every_second_by_itself(seed, tick):
    """The same seed gives the same journeys, and a second is the same whether or not the seconds before were made."""
    together = journeys(seconds=3, seed=seed, tick=tick, rate=8)
    apart = [journey for second in range(3) for journey in journeys(seconds=1, seed=seed, tick=tick + second, rate=8)]
    assert together == apart


def test_another_seed_gives_other_traffic():
    """Two seeds do not send the same."""
    assert journeys(seed=1, seconds=3) != journeys(seed=2, seconds=3)


@given(seed=st.integers(0, 10_000), incident=st.sampled_from(sorted(BANK.incidents)))
@settings(max_examples=15, deadline=None)
def test_spans_nest_as_a_tracer_would_see_them(seed, incident):
    """A span stands after its parent or link, starts no earlier, never ends before it starts, and a server begins
    inside its client; whatever goes wrong meanwhile."""
    for journey in journeys([Running(incident, NOON - 300)], seconds=2, rate=20, seed=seed):
        for at, span in enumerate(journey.spans):
            assert span.start_us < span.end_us
            for before in (span.parent, span.link):
                assert before < at
                assert before < 0 or journey.spans[before].start_us <= span.start_us
            if span.role is Role.SERVER and span.parent >= 0:
                client = journey.spans[span.parent]
                assert (client.role, client.peer) == (Role.CLIENT, span.place.service)
                assert span.peer == client.place.service


def test_the_usual_rates_are_those_of_the_bank():
    """Every path of the bank exists, no other does, and its rate by arithmetic is within 6 % of the bank's."""
    rates = usual_rates(BANK)
    assert rates.keys() == EDGES.keys()
    assert {edge: rate for edge, rate in rates.items() if abs(rate / EDGES[edge] - 1) > 0.06} == {}


def test_simulated_calls_come_at_the_usual_rates():
    """In five minutes every path of the bank is taken, at the rate the arithmetic says within the noise."""
    factor = 40.0 * 300 / sum(entry.rate for entry in BANK.entries) * 1.15  # mid-morning
    seen = Counter({edge: len(spans) for edge, spans in calls(journeys(seconds=300)).items()})
    assert seen.keys() == EDGES.keys()
    for edge, rate in usual_rates(BANK).items():
        expected = rate * factor
        assert abs(seen[edge] - expected) < 0.25 * expected + 5 * expected**0.5, edge


def test_the_day_and_the_weekend_change_the_traffic():
    """Nights are quieter than mornings, and companies hardly work on a Saturday."""
    assert day_factor(BANK, NOON - 7 * 3600) < 0.5 * day_factor(BANK, NOON)

    def corporate(tick):
        rates = conditions(BANK, 1, 20.0, tick, ()).rates
        return sum(rate for entry, rate in rates.items() if entry.service == "corporate-banking")

    assert corporate(SATURDAY) < 0.4 * corporate(NOON)


def test_a_healthy_bank_is_quick_and_hardly_fails():
    """Without an incident fewer than 0.05 % of the work at any channel fails, and p95 is under a second everywhere."""
    found = journeys(seconds=200, rate=60)
    for service in BANK.services:
        spans = spans_at(found, service)
        if len(spans) > 100:
            lasted = sorted(span.end_us - span.start_us for span in spans)
            assert lasted[int(len(lasted) * 0.95)] < 800_000, service
    roots = [journey.spans[0] for journey in found]
    assert share_failed(roots) < 0.0005


def test_most_calls_stay_in_their_data_centre():
    """A few percent of the calls between services cross from one data centre to the other, not none and not many."""
    pairs = [
        (journey.spans[span.parent].place.zone, span.place.zone)
        for journey in journeys(seconds=100)
        for span in journey.spans
        if span.role is Role.SERVER and span.parent >= 0 and span.place.service != "credit-decision"
    ]
    crossing = sum(here != there for here, there in pairs) / len(pairs)
    assert 0.005 < crossing < 0.03


def test_an_incident_leaves_alone_what_does_not_meet_it():
    """With a slow ledger database the journeys that never go there are the same to the microsecond."""
    before, during = journeys(), journeys([Running("slow-database", NOON - 300)])
    kept = [journey for journey in before if not touches(journey, "ledger-core")]
    assert len(kept) > 100
    assert kept == [journey for journey in during if not touches(journey, "ledger-core")]
    assert [j for j in before if touches(j, "ledger-core-db")] != [j for j in during if touches(j, "ledger-core-db")]


def test_a_slow_database_takes_seconds_and_is_felt_above():
    """Its p95 grows to seconds, some calls time out, and errors reach the channels though retries catch most."""
    found = journeys([Running("slow-database", NOON - 300)], seconds=60)
    queries = calls(found)["ledger-core", "ledger-core-db"]
    lasted = sorted(span.end_us - span.start_us for span in queries)
    assert lasted[int(len(lasted) * 0.95)] > 1_500_000
    assert {Ending.FAILED, Ending.TIMEOUT} <= {span.outcome.ending for span in queries}
    assert any(span.resend for span in queries)
    ledger, channel = spans_at(found, "ledger-core"), spans_at(found, "mobile-banking")
    assert share_failed(queries) > share_failed(ledger) > share_failed(channel) > 0.005


def test_strength_and_ramp_scale_an_incident():
    """Half the strength is half the share, and at the beginning of the ramp there is hardly any."""
    def share(tick, **keys):
        return conditions(BANK, 1, 20.0, tick, [Running("slow-database", NOON, **keys)]).fail["ledger-core-db"].share

    full = share(NOON + 600)
    assert share(NOON + 600, strength=0.5) == pytest.approx(full / 2)
    assert share(NOON) < full / 20


def test_a_failing_core_fails_and_its_database_does_not():
    """The clearing core fails by itself, and the database behind it stays healthy."""
    found = journeys([Running("failing-core", NOON - 300)], seconds=60)
    assert share_failed(spans_at(found, "clearing-core")) > 0.25
    assert share_failed(calls(found)["clearing-core", "clearing-core-db"]) < 0.02


def test_a_lost_data_centre_sends_nothing():
    """After the failover every span is of data centre a, and about as much work is done as before."""
    before, found = journeys(), journeys([Running("zone-failover", NOON - 10)])
    assert {span.place.zone for journey in before for span in journey.spans} == {"a", "b"}
    assert {span.place.zone for journey in found for span in journey.spans} == {"a"}
    assert len(found) == len(before)


def test_a_bad_version_fails_where_it_runs():
    """Half-way through the roll-out one instance of two has the new version, and only that one fails."""
    spans = spans_at(journeys([Running("bad-deployment", NOON - 50)], seconds=30, rate=100), "card-service")
    failures = Counter((span.place.version, failed(span)) for span in spans)
    assert {version for version, _ in failures} == {"6.2.4", "6.3.0"}
    assert failures["6.3.0", True] > 20
    assert failures["6.2.4", True] == 0


def test_a_surge_trips_the_limiters():
    """Six times the mobile traffic comes in, and the gateway's calls beyond the limit are turned away with 429."""
    before, during = journeys(), journeys([Running("traffic-surge", NOON - 300)])
    more = len(spans_at(during, "mobile-banking")) / len(spans_at(before, "mobile-banking"))
    assert more == pytest.approx(6, rel=0.05)
    payments = calls(during)["retail-gateway", "payment-order"]
    assert sum(span.outcome.ending is Ending.REJECTED for span in payments) > 0.2 * len(payments)
    others = {"wechat-banking", "open-banking", "branch-teller"}
    assert [len(spans_at(before, one)) for one in others] == [len(spans_at(during, one)) for one in others]


def test_an_open_breaker_lets_no_call_out():
    """Most calls to the credit bureau are not permitted: they end at once, and nobody else is slower for them."""
    spans = calls(journeys([Running("breaker-open", NOON - 60)], seconds=60, rate=100))["credit-decision",
                                                                                         "credit-bureau"]
    refused = [span for span in spans if span.outcome.ending is Ending.NOT_PERMITTED]
    assert len(refused) > 0.7 * len(spans)
    assert max(span.end_us - span.start_us for span in refused) < 1_000
    assert all(span.outcome.error.endswith("CallNotPermittedException") for span in refused)


def test_silent_cash_machines_change_nothing_else():
    """When the cash machines are not heard, all other journeys are the same."""
    before, during = journeys(seconds=60), journeys([Running("atm-silence", NOON)], seconds=60)
    assert [one for one in before if one.entry.service != "atm-network"] == during


def test_incidents_are_started_and_stopped_by_name():
    """A drill starts an incident for a while or until it is stopped; unknown names are refused."""
    now = [NOON + 0.5]
    demo = DemoBank(BANK, script=False, clock=lambda: now[0])
    demo.start_incident("slow-database", for_s=60)
    demo.start_incident("failing-core")

    def running():
        return {one.name for one in demo.incidents() if one.running}

    assert running() == {"slow-database", "failing-core"}
    now[0] += 61
    assert running() == {"failing-core"}
    demo.stop_incident("failing-core")
    assert running() == set()
    assert {one.name for one in demo.incidents()} == set(BANK.incidents)
    for act in (demo.start_incident, demo.stop_incident):
        with pytest.raises(KeyError):
            act("earthquake")


def test_the_script_shows_trouble_and_recovery():
    """By itself the bank begins quietly, has its incidents in turn, every hour anew; a drill can end one early."""
    now = [float(NOON)]
    demo = DemoBank(BANK, clock=lambda: now[0])

    def at(seconds):
        return {one.incident for one in demo.running(NOON + seconds)}

    assert at(0) == at(120) == set()
    assert at(300) == at(3900) == {"slow-database"}
    assert "slow-database" not in at(900)
    assert any("atm-silence" in at(seconds) for seconds in range(0, 3600, 60))
    now[0] += 300
    demo.stop_incident("slow-database")
    assert at(301) == set()
    assert at(3900) == {"slow-database"}


def test_the_ledgers_pool_fills_while_its_database_is_slow():
    """Saturation follows the trouble: the pool of the ledger core is full, that of the card core is not."""
    def used(service, incidents):
        now = conditions(BANK, 1, 20.0, NOON, incidents)
        found = readings(BANK, now, 1, NOON, Place(service, "a", 0, "1"))
        pool = {name: value for name, _, value, _ in found if name.startswith("db.client")}
        return pool["db.client.connection.count"] / pool["db.client.connection.max"]

    slow = [Running("slow-database", NOON - 300)]
    assert used("ledger-core", slow) > 0.9
    assert used("ledger-core", []) < 0.4
    assert used("card-core", slow) < 0.4


def test_a_step_that_names_nobody_is_refused(tmp_path):
    """A bank whose operation calls something that does not exist is not loaded."""
    text = Path("app/demo/bank.yaml").read_text(encoding="utf-8")
    broken = tmp_path / "bank.yaml"
    broken.write_text(text.replace("bill-payment POST /bills]", "bill-payment POST /bill]"), encoding="utf-8")
    with pytest.raises(ValueError, match="POST /bill"):
        load_bank(broken)


def test_the_catalogue_knows_every_service():
    """Every service, store and user of the bank has a Chinese title, its own domain, and an owner unless a user."""
    catalogue = load_catalogue(Path("config/demo.yaml"))
    for service in BANK.services.values():
        inside = service.kind == "service"
        said = catalogue.describe(Service("prod", service.domain if inside else "", service.name, Kind(service.kind)))
        assert said.title_zh != service.name
        assert (said.domain, bool(said.layer), bool(said.owner)) == (service.domain, True, True)
    for entry in BANK.entries:
        user = catalogue.user_for(Service("prod", "access", entry.service))
        assert user is not None
        assert user.name == entry.users
        assert catalogue.describe(user).title_zh != user.name


def test_layers_of_the_catalogue_follow_the_calls():
    """No service calls one in a layer before its own, except a consumer of the queue."""
    raw = yaml.safe_load(Path("config/demo.yaml").read_text(encoding="utf-8"))["catalogue"]
    order = [layer["id"] for layer in raw["layers"]]
    layers = {entry["match"]: order.index(entry["layer"]) for entry in raw["services"] if "layer" in entry}
    backwards = {edge for edge in EDGES if edge[0] not in USERS and layers[edge[0]] > layers[edge[1]]}
    assert backwards == set()
