"""Rules 1 to 5, one test for each and for each of their parts, through the real request bytes."""

import pytest
from pairing_result import DATABASE, QUEUE, Result, arriving, client, counted, server
from pairing_run import LADDER, Counted
from plain_spans import CONSUMER, INTERNAL, KINDLESS, PRODUCER
from span_writing import NOW_NS, SECOND, Made

from topology.model import InstanceKey, Kind, OperationKey, Service, Side

# Rule 1: a client and its server are one call

def test_rule_1_client_and_server_are_one_call():
    """A client span and the server span below it are one call, with the latency of each side."""
    result = counted(client(), server())
    assert result.calls("shop", "pay") == 1
    assert result.sum("total", "shop", "pay") == 100_000
    assert result.sum("total", "shop", "pay", side=Side.SERVER) == 60_000
    assert result.sum("calls", "shop", "pay", side=Side.SERVER) == 0


def test_rule_1_producer_and_consumer_are_one_call():
    """A producer and the consumer below it are one call where no queue is named."""
    result = counted(client(kind=PRODUCER), server(kind=CONSUMER))
    assert result.edges() == {("shop", "pay")}


def test_rule_1_order_of_arrival_does_not_matter():
    """The server may come before its client, in another request."""
    result = arriving((0, server()), (20, client()))
    assert result.edges() == {("shop", "pay")}
    assert result.sum("total", "shop", "pay") == 100_000


def test_rule_1_waiting_ends_with_the_horizon():
    """What comes after the horizon of its partner is not paired any more."""
    assert arriving((0, server()), (29.9, client())).counters["pairs"] == 1
    late = arriving((0, server()), (30.1, client()))
    assert late.counters["pairs"] == 0
    assert late.edges() == {("unknown", "pay")}


def test_rule_1_a_span_sent_again_counts_once():
    """The same trace and span id within the horizon is a duplicate, whatever else the span says."""
    result = arriving((0, server(parent=0)), (29, server(parent=0, name="other")))
    assert result.calls("pay") == 1
    assert result.counters["duplicates"] == 1


def test_rule_1_a_span_sent_again_after_the_horizon_counts_again():
    """Beyond the horizon nobody remembers the first."""
    assert arriving((0, server(parent=0)), (31, server(parent=0))).calls("pay") == 2


def test_rule_1_the_same_span_id_in_another_trace_is_another_span():
    """Trace and span id together name a span."""
    assert counted(client(), server(trace=2)).counters["pairs"] == 0


def test_rule_1_spans_without_ids_are_invalid():
    """A span whose trace or span id is zero is counted as invalid and nowhere else."""
    result = counted(server(id=0), server(trace=0))
    assert result.counters["invalid"] == 2
    assert result.figures == {}


def test_rule_1_a_call_counts_when_it_ended():
    """A call is counted in the 10 s window in which its client ended."""
    result = counted(client(start=-9_000, took=9_900), server(start=-9_000, took=100))
    assert result.windows("shop", "pay") == [NOW_NS // SECOND // 10 * 10]
    assert result.windows("pay") == [NOW_NS // SECOND // 10 * 10 - 10]


def test_rule_1_late_spans_land_in_their_own_window():
    """A span up to an hour old is counted in the window in which it ended; an older one only as late."""
    hour_ms = 3_600_000
    timely = counted(server(parent=0, start=901 - hour_ms, took=100))
    assert timely.windows("pay") == [NOW_NS // SECOND // 10 * 10 - 3600]
    result = counted(server(parent=0, start=899 - hour_ms, took=100))
    assert result.figures == {}
    assert result.counters["late"] == 1


def test_rule_1_clocks_ahead_count_on_arrival():
    """A span that ends over 5 s after it arrived is counted in the window of its arrival."""
    ahead = counted(server(parent=0, start=5_000, took=1_001))
    assert ahead.windows("pay") == [NOW_NS // SECOND // 10 * 10]
    assert ahead.counters["ahead_of_time"] == 1
    assert counted(server(parent=0, start=5_000, took=1_000)).windows("pay") == [NOW_NS // SECOND // 10 * 10 + 10]


def test_rule_1_durations_are_rounded_up():
    """A call that took a nanosecond more than the threshold is not within it."""
    threshold = int(LADDER.bucket(1_000_000))
    exact, above = (counted(server(parent=0, took=ms)).figures for ms in (1000, 1000.000001))
    key = next(cell for cell in exact if isinstance(cell[0], OperationKey))
    assert exact[key]["buckets"] == {threshold: 1.0}
    assert above[key]["buckets"] == {threshold + 1: 1.0}


def test_rule_1_a_clock_that_ran_backwards_counts_no_time():
    """A span that ends before it started took no time."""
    assert counted(server(parent=0, took=-50)).sum("total", "pay") == 0


# Rule 2: clients without a server

@pytest.mark.parametrize(
    ("attributes", "name", "kind"),
    [
        ({"service.peer.name": "a", "peer.service": "b", **DATABASE}, "a", Kind.DATABASE),
        ({"peer.service": "b", "server.address": "c"}, "b", Kind.EXTERNAL),
        ({**DATABASE, **QUEUE}, "accounts", Kind.DATABASE),
        ({"db.system": "mysql", "db.name": "old"}, "old", Kind.DATABASE),
        ({"db.system": "mysql", "server.address": "db-7"}, "db-7", Kind.DATABASE),
        ({"db.system": "mysql"}, "mysql", Kind.DATABASE),
        ({"db.system": "redis", "db.namespace": "0", "server.address": "cache-1"}, "cache-1", Kind.CACHE),
        ({**QUEUE, "server.address": "broker-1"}, "orders", Kind.QUEUE),
        ({"server.address": "api.example", "network.peer.address": "10.0.0.1"}, "api.example", Kind.EXTERNAL),
        ({"network.peer.address": "10.0.0.1"}, "10.0.0.1", Kind.EXTERNAL),
        ({"net.peer.name": "old.example"}, "old.example", Kind.EXTERNAL),
    ],
)
def test_rule_2_the_first_name_decides(attributes, name, kind):
    """A client without a server calls the virtual node of the first name it gives."""
    [key] = counted(client(attributes=attributes)).keys("shop", name)
    assert key.callee == Service("", "", name, kind)


def test_rule_2_a_client_that_names_nobody_is_counted():
    """A client without server and without any name makes no path, but a figure of data quality."""
    result = counted(client())
    assert result.edges() == set()
    assert result.counters["unnamed_targets"] == 1


def test_rule_2_a_client_waits_for_its_server():
    """Before the horizon is over a named client is not counted; after it, once, with the client's latency only."""
    run = Counted().take([client(attributes={"server.address": "api"})])
    assert run.pairing.counters()["pending"] == 1
    assert len(run.pairing.harvest(run.series).counts) == 1
    result = Result(run)
    assert result.calls("shop", "api") == 1
    assert result.keys("shop", "api", side=Side.SERVER) == []


def test_rule_2_an_alias_names_a_service_of_ones_own():
    """An address may stand for a service by configuration."""
    own = Service("", "bank", "ledger")
    spans = [client(attributes={"server.address": "10.0.0.9"}), client(id=8, attributes={"server.address": "10.0.0.8"})]
    result = counted(*spans, alias=lambda address, _port, _: {"10.0.0.9": own}.get(address))
    assert {key.callee for key in result.keys("shop", "ledger") + result.keys("shop", "10.0.0.8")} == {
        own, Service("", "", "10.0.0.8", Kind.EXTERNAL)}


def test_rule_2_stores_count_at_once():
    """A client of a database does not wait for the horizon."""
    run = Counted().take([client(attributes=DATABASE)])
    assert run.pairing.counters()["pending"] == 0
    assert run.pairing.counters()["virtual_calls"] == 1


def test_rule_2_a_store_with_spans_is_counted_once():
    """Where a server turns up behind a database client, the virtual call is taken back and the pair counts."""
    result = arriving((0, client(attributes=DATABASE)), (10, server()))
    assert result.edges() == {("shop", "pay")}
    assert result.calls("shop", "pay") == 1
    assert result.counters["virtual_calls"] == 0


def test_rule_2_clients_of_a_store_with_spans_wait():
    """Once a pair was made with a database, its clients wait like the rest."""
    run = Counted().take([client(attributes=DATABASE), server()])
    run.take([client(id=5, attributes=DATABASE)])
    assert run.pairing.counters()["pending"] == 1
    assert run.pairing.stores_seen_to() == [Service("", "", "accounts", Kind.DATABASE)]
    assert Result(run).calls("shop", "accounts") == 1


def test_rule_2_which_stores_answer_survives_a_restart():
    """A new pairing told about stores that answer waits for them at once."""
    run = Counted()
    run.pairing.expect_answers_from([Service("", "", "accounts", Kind.DATABASE)])
    run.take([client(attributes=DATABASE)])
    assert run.pairing.counters()["pending"] == 1


# Rule 3: servers without a client

def test_rule_3_a_root_server_is_called_by_a_user():
    """A server span without parent is a call from `user`, with the server's latency."""
    result = counted(server(parent=0))
    [key] = result.keys("user", "pay")
    assert key.caller.kind is Kind.USER
    assert result.sum("total", "user", "pay", side=Side.SERVER) == 60_000
    assert result.counters["root_calls"] == 1


def test_rule_3_a_server_with_a_lost_parent_is_called_by_unknown():
    """A server whose parent never comes is a call from `unknown`, shown as lost, and waits for its horizon first."""
    run = Counted().take([server()])
    assert run.pairing.counters()["lost_parents"] == 0
    result = Result(run)
    [key] = result.keys("unknown", "pay")
    assert key.caller.kind is Kind.UNKNOWN
    assert result.counters["lost_parents"] == 1


def test_rule_3_a_server_that_is_its_own_parent_is_lost():
    """A span cannot have called itself."""
    assert counted(server(parent=2)).edges() == {("unknown", "pay")}


def test_rule_3_a_lost_parent_loses_no_work():
    """The work of a server is counted on arrival, whatever becomes of its caller."""
    run = Counted().take([server()])
    assert run.harvest().batches[0].counts[0, 0] == 1


def test_rule_3_root_work_of_other_kinds_is_marked():
    """A root span that is no server is work of its own, without a call."""
    result = counted(Made("job", 1, kind=INTERNAL), Made("script", 2, kind=KINDLESS))
    assert [key.root for key in result.keys("job") + result.keys("script")] == [True, True]
    assert result.edges() == set()


# Rule 4: messaging

def test_rule_4_a_message_goes_through_its_queue():
    """Producer and consumer of a named destination are two paths that meet in the queue, counted at once."""
    run = Counted().take([client(kind=PRODUCER, attributes=QUEUE), server(kind=CONSUMER, attributes=QUEUE)])
    assert run.pairing.counters()["pending"] == 0
    result = Result(run)
    assert result.edges() == {("shop", "orders"), ("orders", "pay")}
    assert result.keys("orders", "pay")[0].caller.kind is Kind.QUEUE


def test_rule_4_a_link_leads_to_the_producer():
    """A consumer without destination follows its link, also into another trace, and takes the producer's queue."""
    consumer = server(kind=CONSUMER, parent=0, trace=7, link=(1, 1))
    assert counted(client(kind=PRODUCER, attributes=QUEUE), consumer).edges() == {("shop", "orders"), ("orders", "pay")}
    assert counted(client(kind=PRODUCER), consumer).edges() == {("shop", "pay")}


@pytest.mark.parametrize("named", ["both", "producers", "nobody"])
def test_rule_4_a_batch_of_messages_is_one_call_to_its_consumer(named):
    """A consumer that links to several producers is called once. Every producer that names the queue has its path to
    it; where nobody names one, the first link is the caller and the other producers are counted as without target."""
    sent = {} if named == "nobody" else QUEUE
    made = [Made(name, 1, kind=PRODUCER, trace=trace, attributes=sent) for trace, name in ((1, "shop"), (2, "till"))]
    received = QUEUE if named == "both" else {}
    batch = server(kind=CONSUMER, parent=0, trace=7, links=((1, 1), (2, 1)), attributes=received)
    result = counted(*made, batch)
    through_queue = {("shop", "orders"), ("till", "orders"), ("orders", "pay")}
    assert result.edges() == ({("shop", "pay")} if named == "nobody" else through_queue)
    assert result.calls("shop" if named == "nobody" else "orders", "pay") == 1
    assert result.counters["unnamed_targets"] == (1 if named == "nobody" else 0)


def test_rule_4_the_linked_producer_may_come_later():
    """A consumer waits for the producer it links to; one that never comes makes the source unknown."""
    consumer = server(kind=CONSUMER, parent=0, trace=7, link=(1, 1))
    assert arriving((0, consumer), (20, client(kind=PRODUCER))).edges() == {("shop", "pay")}
    assert arriving((0, consumer), (40, client(kind=PRODUCER))).edges() == {("unknown", "pay")}


def test_rule_4_a_consumer_below_a_producer_takes_its_queue():
    """The parent's destination counts where the consumer names none."""
    result = counted(client(kind=PRODUCER, attributes=QUEUE), server(kind=CONSUMER))
    assert result.edges() == {("shop", "orders"), ("orders", "pay")}


@pytest.mark.parametrize("attribute", ["messaging.operation", "messaging.operation.type"])
@pytest.mark.parametrize("operation", ["receive", "settle", "poll"])
def test_rule_4_asking_for_messages_is_no_call(attribute, operation):
    """A client that only fetches or settles messages makes no path."""
    result = counted(client(attributes={**QUEUE, attribute: operation}))
    assert result.edges() == set()
    assert result.counters["unnamed_targets"] == 0


def test_rule_4_a_link_between_others_is_no_call():
    """Links of spans that are no consumers mean nothing."""
    result = counted(client(attributes={"server.address": "x"}), server(parent=0, link=(1, 1)))
    assert result.edges() == {("shop", "x"), ("user", "pay")}


# Rule 5: only calls between services

def test_rule_5_calls_inside_a_service_are_no_path():
    """A client and a server of the same service, also in two zones, are paired but make no path."""
    result = counted(client(attributes={"server.address": "self"}), server(service="shop", zone="north"))
    assert result.edges() == set()
    assert result.counters["pairs"] == 0


def test_rule_5_namespace_and_environment_tell_services_apart():
    """The same name in another namespace is another service."""
    result = counted(client(), server(service="shop", resource={"service.namespace": "other"}))
    [key] = result.keys("shop", "shop")
    assert (key.caller.namespace, key.callee.namespace) == ("", "other")


def test_rule_5_zones_of_both_ends_are_kept():
    """A path knows the zone of its caller and of its callee."""
    [key] = counted(client(zone="east"), server(zone="west")).keys("shop", "pay")
    assert (key.caller_zone, key.callee_zone) == ("east", "west")


def test_rule_5_a_parent_of_any_kind_in_another_service_calls():
    """A server below an internal span of another service was called by it; only its own latency is known."""
    result = counted(client(kind=INTERNAL, parent=0), server())
    assert result.calls("shop", "pay") == 1
    assert result.sum("total", "shop", "pay") == 0
    assert result.sum("total", "shop", "pay", side=Side.SERVER) == 60_000


def test_rule_5_every_child_of_a_client_is_a_call():
    """One client answered by two servers made two calls; its own latency counts once."""
    result = counted(client(), server(), server(id=3))
    assert result.calls("shop", "pay") == 2
    assert result.sum("total", "shop", "pay") == 100_000
    assert result.sum("total", "shop", "pay", side=Side.SERVER) == 120_000


def test_rule_5_kindless_span_below_another_service_is_a_call():
    """A span without kind whose parent is in another service is a call and inbound work, in either order."""
    parent, child = client(kind=KINDLESS), server(kind=KINDLESS, instance="pay-1")
    for result in (counted(parent, child), counted(child, parent)):
        assert result.edges() == {("shop", "pay")}
        assert result.calls("pay") == 1
        assert result.calls("pay", type=InstanceKey, instance="pay-1") == 1
        assert result.sum("total", "shop", "pay") == 0


def test_rule_5_kindless_span_below_its_own_service_is_internal():
    """A span without kind whose parent is in the same service is neither a call nor work of its own."""
    result = counted(server(parent=0), server(id=3, parent=2, kind=KINDLESS))
    assert result.calls("pay") == 1


def test_rule_5_kindless_span_with_a_lost_parent_is_only_counted_as_lost():
    """Nobody can tell what a span without kind and without parent at hand was."""
    result = counted(server(kind=KINDLESS))
    assert result.figures == {}
    assert result.counters["lost_parents"] == 1


def test_rule_5_instances_count_inbound_work():
    """The work of an instance is counted beside that of its operation, with its version."""
    result = counted(server(parent=0, instance="pay-1", resource={"service.version": "1.2"}))
    assert result.calls("pay", type=InstanceKey, instance="pay-1", version="1.2") == 1


@pytest.mark.parametrize(
    ("attributes", "protocol"),
    [({"rpc.system": "grpc"}, "grpc"), (QUEUE, "kafka"), (DATABASE, "postgresql"), ({"http.status_code": 200}, "http"),
     ({"http.request.method": "GET"}, "http"), ({}, "")],
)
def test_rule_5_protocol_of_a_call(attributes, protocol):
    """A call speaks the protocol of its RPC system, queue or store, or HTTP."""
    [key] = counted(client(attributes={"peer.service": "x", **attributes})).keys("shop", "x")
    assert key.protocol == protocol
