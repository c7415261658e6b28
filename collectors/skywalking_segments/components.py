"""What lies behind the component of a span, by OpenTelemetry's names.

Source: component-libraries.yml of SkyWalking (ids, and "Component-Server-Mappings"), and the well-known values of
db.system.name, messaging.system and rpc.system.name of OpenTelemetry's semantic conventions.
"""

from __future__ import annotations

from collections.abc import Mapping

_BY_SYSTEM: Mapping[str, tuple[int, ...]] = {
    "mysql": (5, 33, 3008, 3012, 5012, 7003, 7013, 8004),
    "mariadb": (86, 87),
    "postgresql": (22, 37, 3007, 3013, 7010, 7016),
    "oracle.db": (6, 34),
    "microsoft.sql_server": (104, 3003, 3006, 3010),
    "h2database": (4, 32),
    "sqlite": (31, 3011),
    "mongodb": (9, 42, 4006),
    "elasticsearch": (47, 48, 77),
    "cassandra": (69, 70),
    "clickhouse": (119, 120),
    "hbase": (94,),
    "influxdb": (89, 90),
    "neo4j": (112,),
    "solr": (63, 64),
    "redis": (7, 30, 56, 57, 3005, 3018, 7017, 8006),
    "memcached": (20, 35, 36),
    "ehcache": (75,),
    "kafka": (27, 40, 41, 95),
    "rocketmq": (25, 38, 39),
    "activemq": (44, 45, 46),
    "rabbitmq": (51, 52, 53, 143, 144, 145),
    "pulsar": (72, 73, 74),
    "grpc": (23,),
    "dubbo": (3,),
    "motan": (8,),
    "sofarpc": (43,),
    "brpc": (91,),
    "jsonrpc": (107,),
}
SYSTEMS: Mapping[int, str] = {number: system for system, numbers in _BY_SYSTEM.items() for number in numbers}
"""The system behind a component, by its id."""

_NAMES: Mapping[str, str] = {
    "oracle": "oracle.db", "mssql": "microsoft.sql_server", "sqlserver": "microsoft.sql_server", "h2": "h2database",
    "db2": "ibm.db2", "sql": "other_sql",
}  # fmt: skip


def system_named(name: str) -> str:
    """The name of a database or cache as the conventions write it: that of the tags `db.type` and `cache.type`."""
    plain = name.strip().lower()
    return _NAMES.get(plain, plain)
