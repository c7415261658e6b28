"""Rules 6 and 7, and what a span did itself: failures, protection, sampling, self time, where a failure began."""

import pytest
from pairing_result import Result, client, counted, server
from pairing_run import Counted
from plain_spans import CLIENT, CONSUMER, ERROR, INTERNAL, KINDLESS, OK, PRODUCER, UNSET
from span_writing import Made

from topology.model import Side
from topology.pairing import FailureRules

PROTECTED = {"error.type": "io.github.resilience4j.circuitbreaker.CallNotPermittedException"}


def pair(client_has: dict | None = None, server_has: dict | None = None, **how: object) -> Result:
    """A call whose sides carry these attributes."""
    return counted(client(attributes=client_has or {}), server(attributes=server_has or {}), **how)


def outcome(result: Result) -> tuple[float, float]:
    """(errors, protected) of the path."""
    return result.sum("errors", "shop", "pay"), result.sum("protected", "shop", "pay")


# Rule 6: what failed

@pytest.mark.parametrize(
    ("client_status", "server_status"), [(ERROR, UNSET), (UNSET, ERROR), (ERROR, ERROR), (OK, ERROR)])
def test_rule_6_a_call_failed_if_either_side_did(client_status, server_status):
    """An error on either side is one error of the call; the work of the server fails only if its own span did."""
    result = counted(client(status=client_status), server(status=server_status))
    assert result.sum("errors", "shop", "pay") == 1
    assert result.sum("errors", "pay") == (server_status == ERROR)


def test_rule_6_status_ok_is_no_failure_whatever_the_code():
    """A status set to OK overrules HTTP and gRPC codes."""
    codes = {"http.response.status_code": 500, "rpc.grpc.status_code": 14}
    assert outcome(counted(client(status=OK, attributes=codes), server(status=OK, attributes=codes))) == (0, 0)


@pytest.mark.parametrize(
    ("code", "by_client", "by_server"),
    [(200, 0, 0), (399, 0, 0), (404, 1, 0), (499, 1, 0), (500, 1, 1), (503, 1, 1)])
@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
@pytest.mark.parametrize("spelled", [int, str])
def test_rule_6_http_codes(code, by_client, by_server, name, spelled):
    """5xx fails on both sides, 4xx on the client's only; as a number or as text, by the new name or the old."""
    assert outcome(pair({name: spelled(code)})) == (by_client, 0)
    assert outcome(pair(None, {name: spelled(code)})) == (by_server, 0)


@pytest.mark.parametrize(("code", "by_client", "by_server"), [
    (0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 0), (4, 1, 1), (5, 1, 0), (6, 1, 0), (7, 1, 0), (8, 1, 0), (9, 1, 0),
    (10, 1, 0), (11, 1, 0), (12, 1, 1), (13, 1, 1), (14, 1, 1), (15, 1, 1), (16, 1, 0),
])  # fmt: skip
def test_rule_6_grpc_codes(code, by_client, by_server):
    """For clients every gRPC code but OK fails; for servers those the semantic conventions list."""
    assert outcome(pair({"rpc.grpc.status_code": code})) == (by_client, 0)
    assert outcome(pair(None, {"rpc.grpc.status_code": code})) == (by_server, 0)


@pytest.mark.parametrize(
    ("code", "fails"), [("OK", 0), ("NOT_FOUND", 0), ("UNAVAILABLE", 1), ("14", 1), ("NEW_CODE", 0)])
def test_rule_6_grpc_codes_by_name(code, fails):
    """The newer attribute holds the name of the code; one nobody knows is no failure."""
    assert outcome(pair(None, {"rpc.response.status_code": code})) == (fails, 0)


def test_rule_6_failure_rules_can_be_changed():
    """The configuration says which codes fail."""
    rules = FailureRules(client_4xx_fails=False, grpc_server_codes=(5,), grpc_client_codes=())
    assert outcome(pair({"http.status_code": 404}, rules=rules)) == (0, 0)
    assert outcome(pair(None, {"rpc.grpc.status_code": 5}, rules=rules)) == (1, 0)
    assert outcome(pair({"rpc.grpc.status_code": 14}, rules=rules)) == (0, 0)


@pytest.mark.parametrize("attributes", [
    {"http.response.status_code": 429}, {"response_flags": "RL"}, {"response_flags": "UO"}, PROTECTED,
    {"exception.type": "com.alibaba.csp.sentinel.slots.block.flow.FlowException"},
])  # fmt: skip
def test_rule_6_protection_is_counted_beside_errors(attributes):
    """A call turned away by a rate limit or an open breaker is protected, and no error, whatever its status."""
    result = counted(client(status=ERROR, attributes=attributes), server(status=ERROR))
    assert outcome(result) == (0, 1)
    assert outcome(pair(None, attributes)) == (0, 1)


def test_rule_6_protected_work_is_no_error_of_the_server():
    """The work that was turned away is counted as protected for the server too."""
    result = pair(None, {"http.response.status_code": 429})
    assert (result.sum("errors", "pay"), result.sum("protected", "pay"), result.calls("pay")) == (0, 1, 1)


def test_rule_6_protection_can_be_changed():
    """The configuration says which codes and names protect."""
    rules = FailureRules(protected_http=(503,), protected_names=("MyLimit",))
    assert outcome(pair({"http.status_code": 503}, rules=rules)) == (0, 1)
    assert outcome(pair({"error.type": "MyLimit"}, rules=rules)) == (0, 1)
    assert outcome(pair({"http.status_code": 429}, rules=rules)) == (1, 0)


def test_any_number_of_codes_can_be_protection():
    """However many HTTP codes the configuration lists, each of them counts, and no other."""
    rules = FailureRules(protected_http=tuple(range(420, 600)))
    found = [outcome(pair({"http.status_code": code}, rules=rules))[1] for code in (419, 420, 503, 599, 600, 9999)]
    assert found == [0, 1, 1, 1, 0, 0]


def test_rule_6_names_of_protection_must_be_known_to_the_decoder():
    """A decoder that does not reserve the names of protection is refused, since any string could take their place."""
    run = Counted()
    with pytest.raises(ValueError, match="MyLimit"):
        type(run)(rules=FailureRules(protected_names=("MyLimit",)), decoder=run.decoder)


def test_rule_6_virtual_calls_fail_by_their_client():
    """A call to a virtual target failed if its client did."""
    result = counted(client(status=ERROR, attributes={"server.address": "x"}))
    assert result.sum("errors", "shop", "x") == 1


# Rule 7: sampling

@pytest.mark.parametrize(("threshold", "weight"), [("0", 1), ("8", 2), ("c", 4), ("f", 16), ("fd70a3d70a3d71", 100)])
def test_rule_7_a_threshold_gives_the_weight(threshold, weight):
    """`ot=th:` of the tracestate stands for 2^56/(2^56-T) calls; the span itself is still one observed."""
    result = counted(server(parent=0, trace_state=f"ot=th:{threshold}"))
    assert result.calls("pay") == pytest.approx(weight, rel=2e-6)
    assert result.sum("total", "pay") == pytest.approx(weight * 60_000, rel=2e-6)
    assert result.sum("observed", "pay") == 1


@pytest.mark.parametrize(
    "state", ["", "ot=rv:8", "es=th:8", "ot=th:", "ot=th:xyz", "ot=th:123456789abcdef", "xot=th:8"])
def test_rule_7_no_valid_threshold_weighs_one(state):
    """Without a valid threshold a span stands for itself."""
    assert counted(server(parent=0, trace_state=state)).calls("pay") == 1


@pytest.mark.parametrize("state", ["ot=th:8", "es=1,ot=th:8", "es=1, ot=th:8", "ot=rv:ab;th:8", "ot=th:8;rv:1,es=th:c"])
def test_rule_7_the_threshold_is_found_among_others(state):
    """Other vendors and other members of `ot` do not hide the threshold."""
    assert counted(server(parent=0, trace_state=state)).calls("pay") == 2


def test_rule_7_a_pair_weighs_what_its_heavier_side_weighs():
    """A call is known only if both sides were sampled, so the greater weight counts."""
    result = counted(client(trace_state="ot=th:c"), server(trace_state="ot=th:8"))
    assert result.calls("shop", "pay") == 4
    assert result.calls("pay") == 2


# What a span did itself

def test_self_time_is_what_no_child_covers():
    """Time covered by calls, overlapping ones once, is not the server's own."""
    result = counted(server(parent=0, took=100), client(service="pay", id=3, parent=2, start=10, took=30),
                     client(service="pay", id=4, parent=2, start=20, took=40))
    assert result.sum("self_total", "pay") == 50_000


def test_self_time_looks_through_internal_spans():
    """Spans inside the service are its own time; the calls below them are not."""
    result = counted(server(parent=0, took=100), Made("pay", 3, 2, INTERNAL, took=90),
                     Made("pay", 4, 3, KINDLESS, took=80), client(service="pay", id=5, parent=4, start=0, took=25))
    assert result.sum("self_total", "pay") == 75_000


def test_self_time_cuts_children_to_their_parent():
    """Clocks differ: a child counts only where it lies inside its parent."""
    result = counted(server(parent=0, start=0, took=100), client(service="pay", id=3, parent=2, start=-50, took=60),
                     client(service="pay", id=4, parent=2, start=95, took=500))
    assert result.sum("self_total", "pay") == 85_000


def test_self_time_ignores_linked_consumers():
    """A consumer that only links to a span is not waited for."""
    result = counted(server(parent=0, took=100), Made("mail", 3, 0, CONSUMER, took=50, link=(1, 2)))
    assert result.sum("self_total", "pay") == 100_000


def test_self_time_of_root_work_counts_too():
    """A batch job has a time of its own."""
    result = counted(Made("job", 1, kind=INTERNAL, took=100), client(service="job", id=2, parent=1, took=40))
    assert result.sum("self_total", "job") == 60_000


def test_failure_originates_where_no_child_failed():
    """A failed server without a failed call is the origin; its caller is not."""
    result = counted(server(parent=0, status=ERROR, service="shop"), client(id=3, parent=2, status=ERROR),
                     server(id=4, parent=3, status=ERROR))
    assert result.sum("originated", "pay") == 1
    assert result.sum("originated", "shop") == 0


def test_failure_behind_an_internal_span_is_not_originated():
    """A failed call below an internal span explains the failure above."""
    result = counted(server(parent=0, status=ERROR), Made("pay", 3, 2, INTERNAL),
                     client(service="pay", id=4, parent=3, status=ERROR))
    assert result.sum("originated", "pay") == 0


def test_protection_does_not_originate():
    """Neither turning a call away nor being turned away is the origin of a failure."""
    assert counted(server(parent=0, attributes={"http.status_code": 429})).sum("originated", "pay") == 0
    result = counted(server(parent=0, status=ERROR), client(service="pay", id=3, parent=2, attributes=PROTECTED))
    assert result.sum("originated", "pay") == 0


def test_sampled_work_weighs_its_own_time_and_failures():
    """Self time and originated failures are weighted as calls are."""
    result = counted(server(parent=0, took=100, status=ERROR, trace_state="ot=th:c"))
    assert (result.sum("self_total", "pay"), result.sum("originated", "pay")) == (400_000, 4)


def test_paths_have_no_self_time():
    """Self time and origin belong to work, never to paths."""
    result = counted(client(kind=PRODUCER, status=ERROR), server(kind=CONSUMER, status=ERROR))
    assert result.sum("self_total", "shop", "pay") == 0
    assert result.sum("originated", "shop", "pay") == 0
    assert result.sum("self_total", "shop", "pay", side=Side.SERVER) == 0


def test_the_clients_time_is_not_work():
    """A client span is no work of its service."""
    assert counted(client(kind=CLIENT, parent=9)).calls("shop") == 0
