"""The timeline of a message: what carriers take for its parts, and for whose eyes that is."""

from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import OutcomeKind, Price, ReceiptState
from onesixty.kit import ids

from .door import Door


async def test_costs_and_networks(sending: Door, walk: Walk, on_file: OnFile) -> None:
    """The owner of a carrier sees what it takes and says; accounts below send over it only."""
    below = await on_file.account(parent=walk.account)
    await walk.keeper.refresh()
    message = await walk.send()
    (one,) = await walk.carrier.took(1)
    walk.carrier.answer(one, OutcomeKind.ACCEPTED, price=Price(7_500, "USD"))
    receipt = walk.carrier.made_receipt(one, ReceiptState.DELIVERED, f"{message.id.hex}.1.1")
    receipt.network = "23410"
    walk.carrier.bring(receipt)
    await walk.received()
    path = f"/v1/messages/{ids.to_text('msg', message.id)}/timeline"
    timeline = (await sending.ask("GET", path)).body
    assert [one["cost"] for one in timeline["parts"]] == [{"amount": "0.0075", "currency": "USD"}]
    assert [one["network"] for one in timeline["receipts"]] == ["23410"]
    assert [one["raw"] for one in timeline["receipts"]] == [receipt.raw]
    for table in ("messages", "receipts", "submissions", "events"):
        await walk.database.fetch(f"UPDATE {table} SET account_id = $1", below)
    key = await sending.key_of(below, "*")
    timeline = (await sending.ask("GET", path, key=key)).body
    assert [one["cost"] for one in timeline["parts"]] == [None]
    assert [one["raw"] for one in timeline["receipts"]] == [None]


async def test_the_nearest_carrier_of_a_name_is_meant(sending: Door, walk: Walk) -> None:
    """Lists by carrier go by the caller's own one, or the nearest above, of those named alike."""
    message = await walk.send()
    below = await sending.account("below", walk.account)
    key = await sending.key_of(below, "*")
    paths = "/v1/messages?carrier=main", "/v1/messages?carrier=other"
    sent = {"to": "+447700900123", "from": "ACME", "body": "Hello"}
    theirs = (await sending.ask("POST", "/v1/messages", sent, key=key)).body["id"]
    shown = (await sending.ask("GET", paths[0], key=key)).body["data"]
    assert [one["id"] for one in shown] == [theirs]
    await sending.ask("POST", "/v1/carriers", {"name": "main", "kind": "loopback"}, key=key)
    await sending.context.keeper.refresh()
    assert not (await sending.ask("GET", paths[0], key=key)).body["data"]
    shown = (await sending.ask("GET", paths[0])).body["data"]
    assert [one["id"] for one in shown] == [ids.to_text("msg", message.id)]
    assert not (await sending.ask("GET", paths[1])).body["data"]
