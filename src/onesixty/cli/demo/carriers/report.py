"""What the demo of carriers shows at its end."""

from decimal import Decimal
from typing import Any, Final

from onesixty.cli.demo.carriers.play import Played
from onesixty.cli.terminal import out, print_table

REFUSED_SHOWN: Final = 3  # routes


def show(played: Played) -> None:
    """Print what every carrier had, and why two messages went where they went."""
    columns = ("CARRIER", "CHANNELS", "SENT", "RECEIPTS", "IN DOUBT", "THROTTLED", "FAILOVER TO",
               "REPLIES", "COST")  # fmt: skip
    print_table(columns, [_row(played, one.name) for one in played.companies])
    for name, explanation in played.explanations.items():
        planned = played.plan[name]
        out.print()
        out.print(f"why {name} ({planned.title}, tagged {planned.company.name})", style="bold")
        _explain(explanation)
        path = [part for part in played.timelines[name]["parts"] if part["part"] == 1]
        told = [f"{one['carrier']} {one['outcome']}" for one in path]
        out.print(f"  then: {', '.join(told)}")


def _row(played: Played, name: str) -> tuple[object, ...]:
    company = next(one for one in played.companies if one.name == name)
    stage = played.stages[name]
    parts = [
        (part, one) for one in played.timelines.values() for part in one["parts"]
        if part["carrier"] == name
    ]  # fmt: skip
    mine = {one["message"]: one for part, one in parts if part["outcome"] != "refused"}
    elsewhere = {
        message["carrier"]
        for message in played.messages
        for planned in [played.plan.get(message["id"])]
        if planned and planned.company is company and message["carrier"] != name
    }
    replies = [
        one for one in played.messages if one["direction"] == "inbound" and one["carrier"] == name
    ]
    return (
        name, " ".join(company.channels), stage.statistics.taken,
        sum(len(one["receipts"]) for one in mine.values()),
        sum(part["outcome"] == "unknown" for part, _ in parts), stage.statistics.throttled,
        ", ".join(sorted(elsewhere)) or None, len(replies), _costs(parts),
    )  # fmt: skip


def _costs(parts: list[tuple[dict[str, Any], dict[str, Any]]]) -> str | None:
    sums: dict[str, Decimal] = {}
    for part, _ in parts:
        if cost := part["cost"]:
            sums[cost["currency"]] = sums.get(cost["currency"], Decimal()) + Decimal(cost["amount"])
    return ", ".join(f"{amount} {currency}" for currency, amount in sums.items()) or None


def _explain(explanation: dict[str, Any]) -> None:
    out.print(f"  route {explanation['route']} took it")
    for one in explanation["carriers"]:
        out.print(f"  {one['verdict']:<10} {one['carrier']}: {one['detail']}")
    for one in explanation["refused"][:REFUSED_SHOWN]:
        out.print(f"  not {one['route']}: {one['detail']}")
    more = len(explanation["refused"][REFUSED_SHOWN:]) + sum(explanation["refused_more"].values())
    if more:
        out.print(f"  nor {more} routes more")
