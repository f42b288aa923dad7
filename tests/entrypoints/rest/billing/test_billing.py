"""Prices, balances, caps, usage and margin over HTTP, from an empty platform to a paid message."""

from typing import Any

import pytest

from entrypoints.rest.door import Answer, Door
from features.billing.priced import network
from messages.walk import NUMBER
from onesixty.features.billing.settling import HoldSettler
from onesixty.records.billing.checking import check

DECK = "prefix,network,channel,price\n+44,,,0.05\n+447700,,,0.07\n,234-10,,0.03\n,,whatsapp,0.02\n"


async def put(door: Door, name: str, text: str, query: str = "") -> Answer:
    """The answer to an import."""
    return await door.ask(
        "POST",
        f"/v1/prices/{name}/import{query}",
        text.encode(),
        headers={"Content-Type": "text/csv"},
    )


@pytest.fixture
async def me(sending: Door) -> str:
    """The path of the account; it is prepaid, has 1 EUR, and a price list by DECK."""
    (account,) = (await sending.ask("GET", "/v1/accounts")).body["data"]
    path = f"/v1/accounts/{account['id']}"
    await sending.ask("PUT", f"{path}/billing", {"mode": "prepaid", "low_balance": "0.9"})
    made = await sending.ask("POST", f"{path}/topups", {"amount": "1", "reference": "first"})
    assert made.status == 201, made.body
    body = {"name": "retail", "kind": "sell", "currency": "EUR"}
    assert (await sending.ask("POST", "/v1/prices", body)).status == 201
    assert (await put(sending, "retail", DECK)).body["added"] == 4
    return path


async def settle(door: Door, walk: Any, seconds: float = 2) -> None:
    """Let time pass, and settle what is due."""
    await walk.settled()
    await walk.received()
    await walk.clock.advance(seconds)
    while await HoldSettler(walk.database, walk.clock, walk.keeper, network).run_once():
        pass


async def test_a_message_from_price_to_margin(sending: Door, me: str, walk: Any) -> None:
    """Preview, send, balance, usage, margin and refund tell the same amounts."""
    cost = {"name": "main-costs", "kind": "cost", "carrier": "main", "currency": "USD"}
    assert (await sending.ask("POST", "/v1/prices", cost)).status == 201
    await put(sending, "main-costs", "prefix,price\n44,0.05\n")
    body = {"to": NUMBER, "body": "hello"}
    price = {"amount": "0.07", "currency": "EUR"}
    assert (await sending.ask("POST", "/v1/messages/preview", body)).body["price"] == price
    sent = (await sending.ask("POST", "/v1/messages", body)).body
    assert sent["price"] == price
    balance = (await sending.ask("GET", "/v1/balance")).body
    assert (balance["available"]["amount"], balance["held"]["amount"]) == ("0.93", "0.07")
    walk.carrier.accept(walk.carrier.taken[0])
    await walk.settled()
    walk.carrier.receipt(walk.carrier.taken[0])
    await settle(sending, walk)
    balance = (await sending.ask("GET", f"{me}/balance")).body
    assert (balance["held"]["amount"], balance["spent"]["amount"]) == ("0.0", "0.07")
    (row,) = (await sending.ask("GET", "/v1/usage")).body["data"]
    assert (row["country"], row["carrier"], row["delivered"]) == ("GB", "main", 1)
    assert (row["charged"], row["cost"]) == (price, {"amount": "0.05", "currency": "USD"})
    (row,) = (await sending.ask("GET", "/v1/margin?by=carrier")).body["data"]
    assert (row["margin"]["amount"], row["missing_rates"]) == ("0.07", ["USD"])
    assert (await sending.ask("PUT", "/v1/currencies/USD", {"rate": "0.8"})).status == 200
    (row,) = (await sending.ask("GET", "/v1/margin?by=carrier")).body["data"]
    assert (row["cost"]["amount"], row["margin"]["amount"]) == ("0.04", "0.03")
    assert (row["percent"], row["missing_rates"]) == ("42.86", [])
    refund = {"message": sent["id"], "reason": "goodwill"}
    given = (await sending.ask("POST", f"{me}/refunds", refund)).body
    assert (given["amount"], given["balance"]["available"]["amount"]) == (price, "1.0")
    assert (await sending.ask("POST", f"{me}/refunds", refund)).status == 409
    page = (await sending.ask("GET", f"{me}/transfers?limit=1")).body
    (moved,) = page["data"]
    assert (moved["message"], moved["note"]) == (sent["id"], "goodwill")
    assert [moved[name] for name in ("held", "charged", "refunded")] == [price] * 3
    (first,) = (await sending.ask("GET", f"{me}/transfers?after={page['next']}")).body["data"]
    assert (first["topped_up"]["amount"], first["note"]) == ("1.0", "first")
    text = (await sending.ask("GET", "/v1/usage?by=country&format=csv")).body
    assert text.splitlines()[1].startswith(",,GB,,,1,1,1,0.0,EUR,0.05,USD")
    async with walk.database.write() as tx:
        assert await check(tx) == []


async def test_imports_show_what_they_change(sending: Door, me: str) -> None:
    """A dry run changes nothing; a full import ends what it leaves out, a partial one does not."""
    await sending.clock.advance(60)
    new = "prefix,price\n44,0.05\n447700,0.08\n33,0.06\n"
    shown = (await put(sending, "retail", new, "?dry_run=true")).body
    counts = [shown[name] for name in ("dry_run", "added", "changed", "ended", "same")]
    assert counts == [True, 1, 1, 2, 1]
    (change,) = (one for one in shown["changes"] if one["change"] == "changed")
    assert (change["prefix"], change["before"], change["after"]) == ("447700", "0.07", "0.08")
    assert (await put(sending, "retail", new, "?dry_run=true&partial=true")).body["ended"] == 0
    before = (await sending.ask("GET", "/v1/prices/retail/export")).body
    assert len(before.splitlines()) == 5
    done = (await put(sending, "retail", new)).body
    assert {**done, "dry_run": True} == shown
    body = {"to": NUMBER, "body": "hello"}
    found = (await sending.ask("POST", "/v1/messages/preview", body)).body["price"]
    assert found["amount"] == "0.08"
    wrong = await put(sending, "retail", "prefix,price\nabc,1\n44,-1\n")
    assert wrong.status == 422
    assert [one["pointer"] for one in wrong.body["errors"]] == ["/2", "/3"]


async def test_money_of_others(sending: Door, me: str) -> None:
    """An account below sees its own prices and balance, and changes neither."""
    child = await sending.account("child", sending.account_id)
    key = await sending.key_of(child, "billing:read", "billing:write")
    balance = (await sending.ask("GET", "/v1/balance", key=key)).body
    assert (balance["mode"], balance["available"]) == ("none", None)
    assert balance["paid_by"] == me.rpartition("/")[2]
    (deck,) = (await sending.ask("GET", "/v1/prices", key=key)).body["data"]
    assert deck["name"] == "retail"
    own = f"/v1/accounts/{balance['account']}"
    for method, path, body in (
        ("POST", f"{own}/topups", {"amount": "1"}),
        ("POST", f"{own}/refunds", {"amount": "1", "reason": "please"}),
        ("PUT", f"{own}/billing", {"mode": "none"}),
        ("PATCH", "/v1/prices/retail", {"charge": "delivered"}),
        ("GET", "/v1/margin", None),
        ("PUT", "/v1/currencies/USD", {"rate": "1"}),
    ):
        assert (await sending.ask(method, path, body, key=key)).status == 403, path
    assert (await sending.ask("GET", f"{me}/balance", key=key)).status == 404


async def test_caps(sending: Door, me: str) -> None:
    """A cap is shown with what is spent, refuses what is over it, and goes."""
    made = (await sending.ask("POST", "/v1/caps", {"amount": "0.1"})).body
    path = f"/v1/caps/{made['id']}"
    body = {"to": NUMBER, "body": "hello"}
    assert (await sending.ask("POST", "/v1/messages", body)).status == 202
    refused = await sending.ask("POST", "/v1/messages", body)
    assert (refused.status, refused.body["code"]) == (402, "spend_cap_reached")
    assert (await sending.ask("GET", path)).body["spent"]["amount"] == "0.07"
    changed = (await sending.ask("PATCH", path, {"hard": False})).body
    assert (changed["hard"], changed["limit"]["amount"]) == (False, "0.1")
    assert (await sending.ask("POST", "/v1/messages", body)).status == 202
    assert (await sending.ask("GET", "/v1/caps")).body["data"][0]["spent"]["amount"] == "0.14"
    assert (await sending.ask("DELETE", path)).status == 204
    for kind, value in (("country", "UK"), ("key", "key_1"), ("account", "GB")):
        wrong = {"kind": kind, "value": value, "amount": "1"}
        assert (await sending.ask("POST", "/v1/caps", wrong)).status == 422
    country = {"kind": "country", "value": "gb", "amount": "1", "period": "month"}
    assert (await sending.ask("POST", "/v1/caps", country)).body["value"] == "GB"
    assert (await sending.ask("POST", "/v1/caps", country)).status == 409


async def test_refused_for_money_frees_the_key(sending: Door, me: str) -> None:
    """A refusal is not kept under its Idempotency-Key: after a top-up the same request goes."""
    headers = {"Idempotency-Key": "one"}
    body = {"to": NUMBER, "body": "x" * 153 * 10, "max_segments": 20}
    assert (await sending.ask("POST", "/v1/messages", body)).status == 202
    body["body"] = "x" * 153 * 18
    refused = await sending.ask("POST", "/v1/messages", body, headers=headers)
    assert (refused.status, refused.body["code"]) == (402, "insufficient_balance")
    for _ in range(2):  # the second is a repeat
        await sending.ask("POST", f"{me}/topups", {"amount": "5"}, headers={"Idempotency-Key": "t"})
    assert (await sending.ask("POST", "/v1/messages", body, headers=headers)).status == 202
    left = (await sending.ask("GET", "/v1/balance")).body["available"]["amount"]
    assert left == "4.04"


async def test_refusals_of_what_cannot_be(sending: Door, me: str) -> None:
    """Each wrong request says what is wrong with it."""
    for method, path, body, status in (
        ("POST", "/v1/prices", {"name": "x", "kind": "cost", "currency": "EUR"}, 422),
        ("POST", "/v1/prices", {"name": "y", "kind": "sell", "currency": "EUR"}, 409),
        ("POST", f"{me}/topups", {"amount": "0"}, 422),
        ("POST", f"{me}/topups", {"amount": "1e5"}, 422),
        ("POST", f"{me}/refunds", {"reason": "why not"}, 422),
        ("PUT", f"{me}/billing", {"mode": "prepaid", "currency": "USD"}, 409),
        ("PUT", "/v1/currencies/EUR", {"rate": "1"}, 422),
        ("GET", "/v1/usage?by=weather", None, 422),
        ("GET", "/v1/usage?from=2026-02-01&to=2026-01-01", None, 422),
        ("GET", "/v1/prices/none", None, 404),
    ):
        answer = await sending.ask(method, path, body)
        assert answer.status == status, (path, answer.body)
    of_nobody = {"name": "x", "kind": "cost", "currency": "EUR", "carrier": "nobody"}
    answer = await sending.ask("POST", "/v1/prices", of_nobody)
    assert [one["pointer"] for one in answer.body["errors"]] == ["/carrier"]
