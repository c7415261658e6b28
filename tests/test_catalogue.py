"""The catalogue: names, places, what is hidden and merged, and how it follows its file."""

import os
from pathlib import Path

import pytest

from app.catalogue import Catalogue, CatalogueFile, Description, Entries, load
from app.reading import Reader, parse
from topology.errors import ConfigurationError
from topology.model import Kind, Service

ORDERS = Service("prod", "shop", "orders")
ORDERS_DB = Service("prod", "shop", "orders-db", Kind.DATABASE)


def catalogue(text: str) -> Catalogue:
    """The catalogue of a section written in YAML, which has to be without fault."""
    reader = Reader(Path())
    entries = reader.record(Entries, parse(text), "catalogue")
    assert not reader.faults, [str(fault) for fault in reader.faults]
    return Catalogue(entries)


def faults(text: str) -> list[str]:
    """The complaints about a section written in YAML."""
    reader = Reader(Path())
    reader.record(Entries, parse(text), "catalogue")
    return [str(fault) for fault in reader.faults]


def test_service_nobody_described_goes_by_its_own_name():
    """Without an entry the title is the name, the domain is the namespace, the rest is not known."""
    assert Catalogue().describe(ORDERS) == Description("orders", "orders", domain="shop")


def test_nodes_of_our_own_naming_have_titles_in_both_languages():
    """Who calls from outside, who was lost and what is merged are called so in Chinese too; a service of that name
    keeps its own, and the catalogue has the last word."""
    for name, kind, title in (("user", Kind.USER, "用户"), ("unknown", Kind.UNKNOWN, "未知"),
                              ("other", Kind.UNKNOWN, "其他"), ("user", Kind.SERVICE, "user")):  # fmt: skip
        said = Catalogue().describe(Service("prod", "", name, kind))
        assert (said.title_en, said.title_zh) == (name, title)
    told = catalogue("services: [{match: user, title: {en: Customers, zh: 客户}}]")
    assert told.describe(Service("prod", "", "user", Kind.USER)).title_zh == "客户"


def test_everything_said_about_a_service_is_found():
    """Every field of an entry comes back for the service it is about."""
    text = """services: [{match: orders, title: {en: Orders, zh: 订单}, domain: sales, layer: business, zone: a,
               owner: Team A, runbook: "https://wiki.example/orders"}]"""
    assert catalogue(text).describe(ORDERS) == Description(
        "Orders", "订单", "sales", "business", "a", "Team A", "https://wiki.example/orders"
    )


def test_exact_name_beats_pattern_and_entries_complete_each_other():
    """What the exact entry leaves out, the pattern says, wherever they stand in the list."""
    text = """services:
      - {match: "orders*", title: Pattern, domain: sales, owner: Everyone}
      - {match: orders, title: Exact, layer: business}"""
    assert catalogue(text).describe(ORDERS) == Description("Exact", "Exact", "sales", "business", None, "Everyone")


@pytest.mark.parametrize(
    ("entry", "service", "meant"),
    [
        ("{match: orders}", ORDERS, True),
        ("{match: Orders}", ORDERS, False),
        ("{match: order}", ORDERS, False),
        ("{match: 'order?'}", ORDERS, True),
        ("{match: 'orders*', kind: database}", ORDERS_DB, True),
        ("{match: 'orders*', kind: database}", ORDERS, False),
        ("{match: orders, namespace: shop}", ORDERS, True),
        ("{match: orders, namespace: 'b*'}", ORDERS, False),
        ("{attribute: {team: 'a*'}}", ORDERS, True),
        ("{attribute: {team: b}}", ORDERS, False),
        ("{attribute: {unheard: x}}", ORDERS, False),
        ("orders", ORDERS, True),
    ],
)
def test_selector_means_by_name_pattern_kind_namespace_and_attribute(entry, service, meant):
    """All conditions of a selector have to hold; upper and lower case differ."""
    assert catalogue(f"hide: [{entry}]").hidden(service, {"team": "alpha"}) is meant


def test_merged_service_keeps_everything_but_its_name():
    """Environment, namespace and kind stay; who is not meant stays altogether."""
    merging = catalogue("merge: [{match: 'orders-*', kind: service, into: orders}]")
    assert merging.merged(Service("prod", "shop", "orders-canary")) == ORDERS
    assert merging.merged(ORDERS_DB) == ORDERS_DB


def test_caller_from_outside_gets_a_name():
    """The user of an entry service has the environment of that service, a title, and a place of its own."""
    users = catalogue("users: [{match: 'mobile-*', name: retail, title: {en: Retail customers, zh: 个人客户}}]")
    retail = users.user_for(Service("prod", "access", "mobile-banking"))
    assert retail == Service("prod", "", "retail", Kind.USER)
    assert users.describe(retail) == Description("Retail customers", "个人客户", "users", "user")
    assert users.user_for(ORDERS) is None


def test_description_is_computed_once():
    """The second question for a service is answered from memory, also for one that no entry is about."""
    known = catalogue("services: [{match: orders, title: Orders}]")
    assert known.describe(ORDERS) is known.describe(ORDERS)


FAULTS = {
    "a link that a browser would run": (
        "services: [{match: a, runbook: 'javascript:alert(1)'}]",
        "catalogue.services[0].runbook: expected a link that begins with http:// or https://, "
        + "found 'javascript:alert(1)'",
    ),
    "a layer that is not in the list": (
        "{layers: [{id: core}], services: [{match: a, layer: kore}]}",
        "catalogue.services[0].layer: expected the id of one of the layers, found 'kore'",
    ),
    "a domain that is not in the list": (
        "{groups: [{id: pay}], services: [{match: a, domain: play}]}",
        "catalogue.services[0].domain: expected the id of one of the groups, found 'play'",
    ),
    "an id given twice": (
        "groups: [{id: pay}, {id: pay}]",
        "catalogue.groups: expected every id once, found 'pay' twice",
    ),
    "a kind that does not exist": (
        "services: [{match: a, kind: cloud}]",
        "catalogue.services[0].kind: expected one of service, database, cache, queue, external, user, unknown, "
        + "found 'cloud'",
    ),
    "a key with a typing error": (
        "services: [{match: a, titel: A}]",
        "catalogue.services[0].titel: expected a known key (did you mean title?), found an unknown key",
    ),
    "a title without its English": (
        "services: [{match: a, title: {zh: 甲}}]",
        "catalogue.services[0].title.en: expected a value, found nothing",
    ),
    "a merge without target": (
        "merge: [{match: a}]",
        "catalogue.merge[0].into: expected a value, found nothing",
    ),
}


@pytest.mark.parametrize(("text", "complaint"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_in_the_catalogue_names_its_entry(text, complaint):
    """A catalogue at fault is refused with the number of the entry, what was expected and what was found."""
    assert complaint in faults(text)


def write(path: Path, text: str, at_s: int) -> None:
    """Writes a file as if it had been changed at that second."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (at_s, at_s))


def test_catalogue_follows_its_file_and_survives_a_bad_one(tmp_path):
    """A changed file takes effect; one at fault leaves the old catalogue and says why; repaired, it takes effect."""
    path = tmp_path / "catalogue.yaml"
    write(path, "catalogue: {services: [{match: orders, title: One}]}", 1)
    watched = CatalogueFile(path, load(path))
    assert not watched.refresh()

    write(path, "catalogue: {services: [{match: orders, title: Two}]}", 2)
    assert watched.refresh()
    assert watched.catalogue.describe(ORDERS).title_en == "Two"

    write(path, "catalogue: {services: [{match: orders, titel: Three}]}", 3)
    assert not watched.refresh()
    assert watched.catalogue.describe(ORDERS).title_en == "Two"
    assert [fault.key for fault in watched.faults] == ["catalogue.services[0].titel"]

    path.unlink()
    assert not watched.refresh()
    assert watched.faults[0].key == str(path)

    write(path, "catalogue: {services: [{match: orders, title: Four}]}", 4)
    assert watched.refresh()
    assert (watched.catalogue.describe(ORDERS).title_en, watched.faults) == ("Four", ())


def test_bad_catalogue_file_names_every_fault(tmp_path):
    """Reading a file stops with all of its faults, not with the first."""
    path = tmp_path / "catalogue.yaml"
    path.write_text("catalogue: {groups: [{}], hide: 1, layers: [{id: 2}]}")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert {fault.key for fault in caught.value.faults} == {
        "catalogue.groups[0].id", "catalogue.hide", "catalogue.layers[0].id",
    }  # fmt: skip
