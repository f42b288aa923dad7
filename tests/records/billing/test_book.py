"""What the walk knows of money: who pays for whom, and price lists that are read once."""

from on_file import OnFile
from onesixty.kit.manual_clock import ManualClock
from onesixty.records.billing import ledger, price_lists
from onesixty.records.billing.costs import Costs
from onesixty.records.billing.ledger import Terms
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Connection, Database


async def deck(tx: Connection, name: str, **fields: object) -> int:
    """A price list with one row for all numbers."""
    given = {"kind": "sell", "carrier_id": None, "account_id": None, "currency": "EUR"} | fields
    await price_lists.create(tx, {"name": name, "charge": "submitted"} | given)
    number: int = (await price_lists.find(tx, name))["id"]
    await tx.execute(
        "INSERT INTO deck_rows (deck_id, channel, network, prefix, micros, valid_from)"
        " VALUES ($1::int, 0, '', '', $1::int, '2020-01-01')",
        number,
    )
    return number


async def test_whose_money_and_whose_prices(database: Database, on_file: OnFile) -> None:
    """The nearest account that pays does, by its own list or that above; unchanged ones stay."""
    top = await on_file.account()
    shop = await on_file.account(parent=top)
    branch = await on_file.account(parent=shop)
    other = await on_file.account(parent=top)
    carrier = await on_file.carrier(top)
    clock = ManualClock()
    keeper = await SnapshotKeeper.start(database, clock)
    assert keeper.book.billing.payers == {}
    async with database.write() as tx:
        await ledger.change_terms(tx, shop, Terms("postpaid", "USD", credit=5))
        await deck(tx, "retail", account_id=top)
        await deck(tx, "branch", account_id=branch)  # does not pay by itself: counts for nothing
        cost = await deck(tx, "cost", kind="cost", carrier_id=carrier)
    await keeper.follow()
    billing = keeper.book.billing
    assert {number: payer.account_id for number, payer in billing.payers.items()} == {
        shop: shop,
        branch: shop,
    }
    payer = billing.payers[branch]
    assert payer.deck is not None
    assert (payer.deck.name, payer.currency, payer.credit) == ("retail", "USD", 5)
    assert keeper.book.accounts[branch].currency == "USD"
    kiosk = await on_file.account(parent=branch)
    costs = Costs(lambda: keeper.book.billing, clock.now)
    assert costs.of(carrier, "+447700900123", None, "sms") == cost
    assert costs.of(carrier, "+447700900123", None, "mms") is None
    assert costs.of(other, "+447700900123", None, "sms") is None
    async with database.write() as tx:
        await ledger.change_terms(tx, top, Terms("prepaid", "EUR"))
        await tx.execute("UPDATE decks SET revision = 1 WHERE name = 'cost'")
    await keeper.follow()
    assert {one.account_id for one in keeper.book.billing.payers.values()} == {top, shop}
    assert keeper.book.accounts[kiosk].currency == "USD"
    assert keeper.book.accounts[other].currency == "EUR"
    now, before = keeper.book.billing.decks, billing.decks
    same = {now[number].name: now[number].rows is before[number].rows for number in now}
    assert same == {"retail": True, "branch": True, "cost": False}
