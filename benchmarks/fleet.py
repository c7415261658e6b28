"""Three hundred services of a shop: who they are, whom they call, what their resource detectors tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

REDIS, BROKER = "redis-main.shop.internal", "kafka.shop.internal"
DOMAINS = [
    "cart",
    "checkout",
    "payment",
    "catalog",
    "search",
    "recommend",
    "inventory",
    "shipping",
    "email",
    "ads",
    "user",
    "auth",
    "pricing",
    "tax",
    "fraud",
    "review",
    "media",
    "notify",
    "ledger",
    "report",
]
ROLES = [
    "api",
    "worker",
    "core",
    "edge",
    "sync",
    "feed",
    "cron",
    "admin",
    "batch",
    "proxy",
    "store",
    "query",
    "index",
    "rules",
    "audit",
    "v2",
]
JAVA = "/usr/lib/jvm/java-21-amazon-corretto/bin/java"


@dataclass(frozen=True)
class Member:
    """One service: whom it calls, which database it has, which routes it serves."""

    name: str
    callees: tuple[int, ...]
    database: str
    routes: tuple[str, ...]
    resource: Mapping[str, Any]

    @property
    def domain(self) -> str:
        """The part of the shop it belongs to."""
        return self.name.split("-")[0]

    @property
    def host(self) -> str:
        """Its address inside the cluster."""
        return f"{self.name}.shop.svc.cluster.local"

    @property
    def rpc(self) -> str:
        """The name of its gRPC service."""
        return f"shop.{self.name.replace('-', '.')}.v1.Service"


def members(services: int, random: Random) -> list[Member]:
    """The fleet: two front ends, a gateway that may call anyone, and the rest, calling only those after them."""
    names = ["frontend-web", "frontend-mobile", "api-gateway"]
    names += [f"{domain}-{role}" for domain in DOMAINS for role in ROLES][: services - len(names)]
    return [_member(index, names, random) for index in range(len(names))]


def _member(index: int, names: list[str], random: Random) -> Member:
    after = range(index + 1, len(names))
    if index < 2:
        callees = (2,)
    elif index == 2:
        callees = tuple(after)
    else:
        callees = tuple(sorted(random.sample(after, min(len(after), random.randint(0, 4)))))
    domain = names[index].split("-")[0]
    version = random.randint(1, 3)
    routes = tuple(
        f"/api/v{version}/{domain}/{rest}" for rest in ("items/{id}", "list", "{id}/detail", "bulk", "status")
    )
    database = random.choice(("postgresql", "mysql", "mongodb")) if index > 2 else ""
    return Member(names[index], callees, database, routes, _resource(index, names[index], random))


def hexadecimal(random: Random, digits: int) -> str:
    """So many random hexadecimal digits."""
    return f"{random.getrandbits(4 * digits):0{digits}x}"


def _resource(index: int, name: str, random: Random) -> dict[str, Any]:
    """What the agent and its Kubernetes, AWS, host and process detectors tell."""
    uid = "-".join(hexadecimal(random, n) for n in (8, 4, 4, 4, 12))
    node = f"ip-10-4-{index % 250}-17"
    return {
        "service.name": name,
        "service.namespace": "shop",
        "service.version": f"2.{index}.{random.randint(0, 30)}",
        "service.instance.id": uid,
        "deployment.environment.name": "production",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "java",
        "telemetry.sdk.version": "1.45.0",
        "k8s.cluster.name": "prod-eu-west-1",
        "k8s.namespace.name": "shop",
        "k8s.deployment.name": name,
        "k8s.pod.name": f"{name}-{hexadecimal(random, 10)}-{hexadecimal(random, 5)}",
        "k8s.pod.uid": uid,
        "k8s.node.name": f"{node}.eu-west-1.compute.internal",
        "k8s.container.name": name,
        "container.id": hexadecimal(random, 64),
        "container.image.tags": [f"2.{index}.1", "latest"],
        "container.image.name": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/{name}",
        "cloud.provider": "aws",
        "cloud.platform": "aws_eks",
        "cloud.region": "eu-west-1",
        "cloud.availability_zone": f"eu-west-1{'ab'[index % 2]}",
        "cloud.account.id": "123456789012",
        "host.name": node,
        "host.id": f"i-{hexadecimal(random, 17)}",
        "host.arch": "amd64",
        "host.type": "m6i.2xlarge",
        "os.type": "linux",
        "os.description": "Linux 6.1.112-124.190.amzn2023.x86_64 #1 SMP PREEMPT_DYNAMIC",
        "process.pid": random.randint(1, 40000),
        "process.executable.path": JAVA,
        "process.runtime.name": "OpenJDK Runtime Environment",
        "process.runtime.version": "21.0.4+7-LTS",
        "process.command_line": f"{JAVA} -Xmx2g -XX:+UseG1GC -javaagent:/otel/opentelemetry-javaagent.jar -jar app.jar",
    }
