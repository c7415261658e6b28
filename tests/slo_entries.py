"""SLOs as the engine tells of them: one at a time, and a whole house full, the same every time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
AT_S = 1_767_254_400.0
DAY_S = 86_400
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
GROUPS = {
    "payments": {"en": "Payments", "zh": "支付"}, "accounts": {"en": "Accounts", "zh": "账户"},
    "cards": {"en": "Cards", "zh": "银行卡"}, "lending": {"en": "Lending", "zh": "贷款"},
    "shared": {"en": "Customer and shared", "zh": "客户与共享"},
}  # fmt: skip
RULES = [
    {"severity": "page", "long": "1h", "short": "5m", "factor": 14.4, "budget_share": 0.02, "reachable": True},
    {"severity": "page", "long": "6h", "short": "30m", "factor": 6.0, "budget_share": 0.05, "reachable": True},
    {"severity": "ticket", "long": "1d", "short": "2h", "factor": 3.0, "budget_share": 0.1, "reachable": True},
    {"severity": "ticket", "long": "3d", "short": "6h", "factor": 1.0, "budget_share": 0.1, "reachable": True},
]
WHY = {
    "ok": ("Healthy: 99.95 % of calls were good, 0.4x the budgeted rate.", "正常：99.95 % 的调用良好。"),
    "burning": (
        "Burning: 3.2 % of calls failed in the last hour, 16x the budgeted rate (above 14.4x); at this pace what is "
        + "left of the 30-day budget is spent in 18 h 27 min. 94 % of the failures originate in ledger-core-db.",
        "燃烧：过去一小时 3.2 % 的调用失败，为预算速率的 16 倍（超过 14.4 倍）；30 天预算将在 18 小时 27 分内耗尽。",
    ),
    "at_risk": ("At risk: 1.1x the budgeted rate over three days (above 1x).", "有风险：三天内为预算速率的 1.1 倍。"),
    "exhausted": ("Budget spent: all of the 30-day budget is gone.", "预算耗尽：30 天的预算已经用完。"),
    "no_data": ("No data: no calls were counted.", "无数据：没有计到调用。"),
}
BURNS: Mapping[str, tuple[float | None, ...]] = {
    "ok": (0.4, 0.4, 0.3, 0.4, 0.5, 0.5, 0.4), "burning": (40.0, 22.0, 16.0, 8.0, 2.9, 1.2, 0.9),
    "at_risk": (1.2, 1.1, 1.3, 1.1, 1.2, 1.1, 1.1), "exhausted": (0.0, 0.2, 0.4, 0.8, 1.4, 1.9, 1.6),
    "no_data": (None,) * 7,
}  # fmt: skip
LEFT = {"ok": 0.63, "burning": 0.41, "at_risk": 0.17, "exhausted": -0.22, "no_data": None}
FIRING = {"burning": [("page", "1h", "5m")], "at_risk": [("ticket", "3d", "6h")]}


def entry(name: str, state: str = "ok", **changes: Any) -> Json:
    """An availability objective of 99.9 % over 30 days in this state; about `prod/bank/<part before the hyphen>`."""
    left, service = LEFT[state], name.partition("-")[0]
    total = 0 if left is None else 1_000_000
    good = total - (0 if left is None else round(1000 * (1 - left)))
    alerts = [{"severity": severity, "long": long, "short": short, "since": AT_S - 1440}
              for severity, long, short in FIRING.get(state, ())]  # fmt: skip
    english, chinese = WHY[state]
    made = {
        "name": name, "title": {"en": "answered without error", "zh": "无错误应答"}, "service": f"prod/bank/{service}",
        "edge": None, "domain": "payments", "group": GROUPS["payments"], "class": "critical", "kind": "availability",
        "threshold_ms": None, "target": "0.999", "window": "30d", "rolling": True, "method": "Occurrences",
        "missing": "ignore", "default": False, "good": good, "total": total, "ratio": good / total if total else None,
        "budget_left": left, "exhausted_in_s": 66_420.0 if state == "burning" else None,
        "burn": dict(zip(WINDOWS, BURNS[state], strict=True)), "coverage": 0.0 if left is None else 0.98,
        "strip": [None] * 30 if left is None else [round(1 - (1 - left) * (day + 1) / 30, 4) for day in range(30)],
        "state": state, "since": AT_S - 1440, "alerts": alerts, "why": {"en": english, "zh": chinese},
        "evaluated_at": AT_S,
    }  # fmt: skip
    return {**made, **changes}


def many(number: int, seed: int = 1) -> list[Json]:
    """So many SLOs of services in five domains: most are healthy, a few are in every other state."""
    chance, found = random.Random(seed), []
    states = chance.choices(["ok", "burning", "at_risk", "exhausted", "no_data"], [90, 1, 4, 2, 3], k=number)
    for i, state in enumerate(states):
        domain = list(GROUPS)[i % len(GROUPS)]
        late = i % 3 == 2
        left = LEFT[state] if state != "ok" else round(chance.uniform(0.3, 1.0), 4)
        found.append(entry(
            f"service{i:04d}-{'latency' if late else 'availability'}", state, domain=domain, group=GROUPS[domain],
            kind="latency" if late else "availability", threshold_ms=250.0 if late else None,
            target=chance.choice(["0.99", "0.995", "0.999", "0.9999"]), budget_left=left, strip=_strip(left, chance),
            title={"en": "answered within 250 ms", "zh": "250 毫秒内应答"} if late
            else {"en": "answered without error", "zh": "无错误应答"}, default=i % 4 == 0,
        ))  # fmt: skip
    return found


def _strip(left: float | None, chance: random.Random) -> list[float | None]:
    """Thirty days downwards to what is left, in steps as uneven as incidents are."""
    if left is None:
        return [None] * 30
    steps = [chance.random() ** 6 for _ in range(30)]
    spent, whole = 0.0, sum(steps)
    strip: list[float | None] = []
    for step in steps:
        spent += step / whole * (1 - left)
        strip.append(round(1 - spent, 4))
    return strip


def details(one: Json) -> Json:
    """The entry with what is told of one SLO only."""
    document = {
        "apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": one["name"]},
        "spec": {"service": one["service"].rpartition("/")[2],
                 "timeWindow": [{"duration": one["window"], "isRolling": True}],
                 "budgetingMethod": one["method"],
                 "objectives": [{"displayName": "answered", "target": float(one["target"])}]},
    }  # fmt: skip
    past = [{"severity": "page", "long": "1h", "short": "5m", "since": AT_S - day * DAY_S, "peak_burn": 22.0,
             "until": AT_S - day * DAY_S + 7200} for day in (9, 14, 20)]  # fmt: skip
    now = [{**alert, "until": None, "peak_burn": 41.5} for alert in one["alerts"]]
    return {**one, "document": document, "file": "config/slos/bank.yaml", "rules": RULES, "conditions": [],
            "description": "What customers feel when they pay.", "alert_history": [*now, *past]}  # fmt: skip


def history(one: Json, from_s: float, to_s: float, step_s: int) -> Json:
    """Columns in which the budget falls from whole to what is left, in three steps."""
    times = [from_s + i * step_s for i in range(1, int((to_s - from_s) // step_s) + 1)]
    left, count = one["budget_left"], len(times)
    known = left is not None
    falls = [sum(i / count > part for part in (0.33, 0.53, 0.7)) / 3 for i in range(count)]
    budget = [round(1 - (1 - left) * (0.8 * fall + 0.2 * i / count), 4) if known else None
              for i, fall in enumerate(falls)]  # fmt: skip
    burn = {window: [None if value is None else round(value * (0.3 + 0.7 * i / count), 3) for i in range(count)]
            for window, value in one["burn"].items()}  # fmt: skip
    total = one["total"] // count if count else 0
    return {"times": times, "good": [total - 1 if known else None] * count, "total": [total if known else None] * count,
            "budget_left": budget, "ideal": [round(1 - (i + 1) / count, 4) for i in range(count)], "burn": burn}


def spenders(limit: int) -> list[Json]:
    """The dearest intervals of a period, most of them caused by one database."""
    days = (0.02, 9, 14, 20, 21, 22, 23, 25, 26, 28, 29)
    origin = [{"id": "prod/bank/ledger-db/~database", "title": {"en": "ledger-db", "zh": "账务数据库"}, "share": 0.94},
              {"id": "prod/bank/ledger", "title": {"en": "ledger", "zh": "账务核心"}, "share": 0.06}]  # fmt: skip
    return [{"from": AT_S - day * DAY_S, "to": AT_S - day * DAY_S + 3600, "bad": 320 - 28 * i, "total": 40_000,
             "share": round(0.32 - 0.028 * i, 3), "origins": origin[: 1 + i % 2]} for i, day in enumerate(days)][:limit]


def what_if(one: Json, target: str | None, threshold_ms: float | None) -> Json:
    """The same counts against another target; a slower threshold makes more of them good."""
    wanted = float(target or one["target"])
    if not 0 < wanted < 1:
        raise ValueError("expected a target between 0 and 1")
    if threshold_ms is not None and one["threshold_ms"] is None:
        raise ValueError("there is no threshold to move: nothing is timed here")
    bad = one["total"] - one["good"]
    if threshold_ms is not None:
        bad = round(bad * one["threshold_ms"] / threshold_ms)
    allowed = (1 - wanted) * one["total"]
    return {"target": target or one["target"], "threshold_ms": threshold_ms or one["threshold_ms"], "good":
            one["total"] - bad, "total": one["total"], "ratio": 1 - bad / one["total"] if one["total"] else None,
            "budget_left": 1 - bad / allowed if allowed else None, "exact": threshold_ms is None,
            "alerts": {"page": 2, "ticket": 5}, "note": ""}  # fmt: skip
