"""OpenSLO documents that refer to each other, several in one, composites: as in tests/test_openslo.py."""

from decimal import Decimal

import pytest

from tests.openslo_documents import CONDITION, GONE, POLICY, RATIO, SLI, TARGET, changed, noted, plain, reading
from topology.slo.objectives import Ratio


def test_references_are_found_across_files():
    """An SLO, its SLI, its policy, condition and target may stand in five files, in any order."""
    slo = changed(changed(plain(RATIO), "spec.indicator", GONE), "spec.indicatorRef", "my-sli")
    slo["spec"]["alertPolicies"] = [{"alertPolicyRef": "low-priority"}]
    found = reading(*map(plain, (TARGET, CONDITION)), slo, *map(plain, (POLICY, SLI)))
    assert noted(found) == []
    condition = found.slos[0].conditions[0]
    assert (condition.name, condition.severity, condition.threshold, condition.lookback_s, condition.alert_after_s) == (
        "fast-burn", "page", Decimal(2), 3600, 300)  # fmt: skip
    assert isinstance(found.slos[0].parts[0].indicator, Ratio)
    assert found.slos[0].file == "c"


def test_effective_document_has_no_references():
    """What is in force can be read in one piece: indicator, policy and condition stand where they were named."""
    slo = changed(changed(plain(RATIO), "spec.indicator", GONE), "spec.indicatorRef", "my-sli")
    slo["spec"]["alertPolicies"] = [{"alertPolicyRef": "low-priority"}]
    found = reading(slo, *map(plain, (SLI, POLICY, CONDITION, TARGET)))
    spec = found.slos[0].document["spec"]
    assert spec["indicator"]["metadata"]["name"] == "my-sli"
    assert "indicatorRef" not in spec
    policy = spec["alertPolicies"][0]
    assert (policy["kind"], policy["spec"]["conditions"][0]["spec"]["severity"]) == ("AlertPolicy", "page")
    again = reading(found.slos[0].document, plain(TARGET))
    assert (noted(again), again.slos[0].parts, again.slos[0].target) == ([], found.slos[0].parts, Decimal("0.995"))


@pytest.mark.parametrize(
    ("text", "path", "value", "where"),
    [
        (RATIO, "spec.indicatorRef", "no-sli", "spec.indicatorRef"),
        (RATIO, "spec.alertPolicies", [{"alertPolicyRef": "no-policy"}], "spec.alertPolicies[0].alertPolicyRef"),
        (POLICY, "spec.conditions", [{"conditionRef": "no-condition"}], "spec.conditions[0].conditionRef"),
        (POLICY, "spec.notificationTargets", [{"targetRef": "no-target"}], "spec.notificationTargets[0].targetRef"),
    ],
)
def test_bad_reference_is_named(text, path, value, where):
    """go-sdk inline/inputs/v1_alert_policies_invalid_{condition,target}.yaml: what is referred to has to exist."""
    document = changed(plain(text), path, value)
    if path == "spec.indicatorRef":
        del document["spec"]["indicator"]
    others = [plain(one) for one in (CONDITION, TARGET)]
    assert noted(reading(document, *others)) == [(where, "reference")]


def test_reference_to_a_faulty_sli_is_a_fault_of_its_own():
    """The SLO says whose fault it is that it cannot be evaluated."""
    slo = changed(changed(plain(RATIO), "spec.indicator", GONE), "spec.indicatorRef", "my-sli")
    found = reading(slo, changed(plain(SLI), "spec.ratioMetric.total", GONE))
    assert noted(found) == [("spec.ratioMetric", "exactly-one"), ("spec.indicatorRef", "reference")]


@pytest.mark.parametrize(
    ("path", "value", "rules"),
    [
        ("spec.conditions", [], ["one-condition"]),
        ("spec.conditions", [{"conditionRef": "fast-burn"}] * 2, ["one-condition"]),
        ("spec.notificationTargets", [], ["required"]),
        ("spec.notificationTargets", GONE, ["required"]),
        ("spec.conditions", GONE, ["required"]),
        ("spec.conditions", [{"conditionRef": None}], ["required"]),
        ("spec.conditions", [{"conditionRef": "invalid ref"}], ["name"]),
        ("spec.conditions", [{"conditionRef": "fast-burn", "kind": "AlertCondition"}], ["exactly-one"]),
        ("spec.conditions", [{"kind": "SLO", "metadata": {"name": "a"}, "spec": plain(CONDITION)["spec"]}], ["one-of"]),
        ("spec.notificationTargets", [{"kind": "AlertNotificationTarget", "metadata": {"name": "a"},
                                       "spec": {"target": "mail"}}], []),
        ("spec.alertWhenNoData", "yes", ["type"]),
        ("spec.alertWhenNoData", True, []),
    ],
)  # fmt: skip
def test_alert_policy_is_judged_as_the_sdk_does(path, value, rules):
    """go-sdk alert_policy_test.go."""
    found = reading(changed(plain(POLICY), path, value), plain(CONDITION), plain(TARGET))
    assert [rule for _, rule in noted(found)] == rules


@pytest.mark.parametrize(
    ("path", "value", "fault", "warning"),
    [
        ("spec.severity", GONE, "required", None),
        ("spec.condition", GONE, "required", None),
        ("spec.condition.kind", "wrong", "one-of", None),
        ("spec.condition.kind", GONE, None, "required"),
        ("spec.condition.op", GONE, None, "required"),
        ("spec.condition.op", "lessThan", "one-of", None),
        ("spec.condition.threshold", GONE, "required", None),
        ("spec.condition.lookbackWindow", GONE, "required", None),
        ("spec.condition.lookbackWindow", "1x", "duration", None),
        ("spec.condition.alertAfter", "0m", None, None),
        ("spec.condition.alertAfter", GONE, None, None),
        ("spec.description", "A" * 1051, "length", None),
    ],
)
def test_alert_condition_is_judged_as_the_sdk_does(path, value, fault, warning):
    """go-sdk alert_condition_test.go; kind and op may be left out, as in the prose, with a warning."""
    found = reading(changed(plain(CONDITION), path, value))
    assert [rule for _, rule in noted(found)] == ([fault] if fault else [])
    assert [rule for _, rule in noted(found, warning=True)] == ([warning] if warning else [])


def test_list_of_documents_is_read_like_several():
    """oslo test/inputs/validate/v1.yaml is a list; of its three documents the third has a bad name."""
    service = {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "example-service"},
               "spec": {"description": "Example service description"}}  # fmt: skip
    found = reading([plain(RATIO), service, changed(service, "metadata.name", "example service")])
    assert noted(found) == [("[2].metadata.name", "name")]
    assert [slo.name for slo in found.slos] == ["web-availability"]


def test_unknown_field_is_named_as_oslo_does():
    """oslo test/inputs/validate/unknown-field.yaml: a field that nobody reads promises what nobody keeps."""
    document = {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "my-rad service"},
                "spec": {"markdown": "This is a great description of an even better service."}}  # fmt: skip
    assert noted(reading(document)) == [("metadata.name", "name")]
    assert noted(reading(changed(document, "metadata.name", "rad"))) == [("spec.markdown", "unknown-field")]


def test_name_stands_once_for_a_kind():
    """Two SLOs of one name would overwrite each other's history; an SLI may have the name of an SLO."""
    found = reading(plain(RATIO), plain(RATIO), changed(plain(SLI), "metadata.name", "web-availability"))
    assert noted(found) == [("metadata.name", "unique")]
    assert found.faults[0].found == "'web-availability' again, as in a"


def test_each_objective_of_a_document_is_one_of_ours():
    """They are named by their titles, or by their numbers where titles do not tell them apart."""
    several = [{"displayName": "Internal objective", "target": 0.995}, {"displayName": "SLA", "target": 0.99},
               {"displayName": "承诺", "targetPercent": Decimal("99.5")}]  # fmt: skip
    slo = changed(changed(plain(RATIO), "spec.budgetingMethod", "Occurrences"), "spec.objectives", several)
    found = reading(slo)
    assert [(one.name, str(one.target)) for one in found.slos] == [
        ("web-availability/internal-objective", "0.995"), ("web-availability/sla", "0.99"),
        ("web-availability/3", "0.995")]  # fmt: skip


def composite(*weights, target=0.99):
    """A composite of the same indicator, with these weights."""
    slo = changed(changed(plain(RATIO), "spec.indicator", GONE), "spec.budgetingMethod", "Occurrences")
    slo["spec"]["objectives"] = [
        {"indicatorRef": "my-sli", "target": target, **({} if weight is None else {"compositeWeight": weight})}
        for weight in weights
    ]
    return slo


@pytest.mark.parametrize(
    ("weight", "valid"), [(20, True), (Decimal("999999999999.9999"), True), (None, True), (0, False), (-2, False)]
)
def test_weight_of_a_composite_is_above_zero(weight, valid):
    """go-sdk TestSLO_Validate_Spec_CompositeObjectives; without a weight it is 1."""
    found = reading(composite(weight, 1), plain(SLI))
    assert [rule for _, rule in noted(found)] == ([] if valid else ["range"])
    if valid:
        assert [part.weight for part in found.slos[0].parts] == [weight or 1, 1]


def test_composite_has_one_target():
    """Its parts spend from one budget, so different targets have no meaning together."""
    slo = composite(1, 1)
    slo["spec"]["objectives"][1]["target"] = 0.9
    assert noted(reading(slo, plain(SLI))) == [("spec.objectives", "composite")]


def test_composite_has_its_indicators_in_one_place():
    """go-sdk: an indicator both in the spec and in the objectives is refused; so is a part without one."""
    both = changed(composite(1, 1), "spec.indicatorRef", "my-sli")
    assert noted(reading(both, plain(SLI))) == [("spec.indicatorRef", "exactly-one")]
    lacking = composite(1, 1)
    del lacking["spec"]["objectives"][1]["indicatorRef"]
    assert noted(reading(lacking, plain(SLI))) == [("spec.objectives[1]", "exactly-one")]
