"""The whole platform with its SMPP door on a free port, and customers who bind to it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from on_file import OnFile
from onesixty import app as composition
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import Sealer, password_hash
from onesixty.records import esmes
from onesixty.settings import Settings
from onesixty.smpp.pdus import Command, FieldValue, Pdu
from simulator.esme import Esme
from walk.platform import until

NAME, PASSWORD = "acme", "secret"
SECRET_KEY = "office"
RECIPIENT = "447700900123"
_HASH = password_hash(PASSWORD)  # slow: once for all


@dataclass(slots=True)
class Office:
    """A running platform whose messages go to the sandbox carrier."""

    app: composition.App
    port: int
    on_file: OnFile
    account: int
    clients: list[Esme] = field(default_factory=list)

    async def esme(self, name: str = NAME, account: int | None = None, **settings: Any) -> int:
        """Put a customer on file; its password is "secret"."""
        async with self.app.database.write() as tx:
            kept = esmes.check(settings)
            number = await esmes.create(tx, account or self.account, name, _HASH, kept)
        await self.app.keeper.refresh()
        return number

    async def change(self, name: str = NAME, **changes: Any) -> None:
        """Change the row of a customer."""
        async with self.app.database.write() as tx:
            (account,) = {
                one.account_id
                for one in self.app.keeper.book.esmes.values()
                if one.system_id == name
            }
            await esmes.update(tx, await esmes.find(tx, account, name), changes)
        await self.app.keeper.refresh()

    async def connect(self) -> Esme:
        """A client that has not bound yet."""
        client = await Esme.connect(self.port)
        self.clients.append(client)
        return client

    async def bound(
        self,
        name: str = NAME,
        command: Command = Command.BIND_TRANSCEIVER,
        version: int = 0x34,
    ) -> Esme:
        """A client that is bound."""
        client = await self.connect()
        answer = await client.bind(command, name=name, version=version)
        assert answer.status == 0, answer
        return client

    async def message(self, identifier: str) -> dict[str, Any]:
        """The row of a message by its id in hexadecimal digits."""
        (row,) = await self.rows("SELECT * FROM messages WHERE id = $1::text::uuid", identifier)
        return row

    async def waiting(self, count: int) -> None:
        """Wait until so many receipts and messages wait for customers."""
        await until(lambda: self._counts(count))

    async def _counts(self, count: int) -> bool:
        found = await self.rows("SELECT FROM webhook_queue WHERE endpoint_id < 0")
        return len(found) == count

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many deliveries; oldest first."""
        statement = "SELECT * FROM deliveries ORDER BY at, attempt"

        async def enough() -> bool:
            return len(await self.rows(statement)) >= count

        await until(enough)
        return await self.rows(statement)

    async def hurry(self) -> None:
        """Let what is to be tried later, or is in hand, be due now."""
        await self.rows("UPDATE webhook_queue SET due_at = now()")
        for number in self.app.keeper.book.esmes:
            self.app.esme_deliverer.bound(number)  # it does not have to be waited for either

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        return [dict(row) for row in await self.app.database.fetch(statement, *arguments)]


@asynccontextmanager
async def office(url: str, **settings: Any) -> AsyncIterator[Office]:
    """The platform with a route to the sandbox."""
    given = Settings(bootstrap_key="os_live_officeofficeoffice", stop_seconds=5.0, **settings)
    async with AsyncExitStack() as stack:
        app = await composition.build(given, url, Sealer(SECRET_KEY.encode()), SystemClock())
        await app.start()
        stack.push_async_callback(app.stop)
        port = await app.door.servers["smpp"].start("127.0.0.1", 0)
        book = app.keeper.book
        account = next(one.id for one in book.accounts.values())
        sandbox = next(one.id for one in book.carriers.values() if one.name == "sandbox")
        on_file = OnFile(app.database, Sealer(SECRET_KEY.encode()))
        if account not in book.routes:  # it may be the second process on this database
            await on_file.route(account, sandbox)
            await app.keeper.refresh()
        found = Office(app, port, on_file, account)
        yield found
        for client in found.clients:
            await client.close()


def submit_sm(text: bytes = b"hello", **more: Any) -> Pdu:
    """A submit_sm from the name Shop; `more`: its fields, and `tlvs`."""
    tlvs = more.pop("tlvs", [])
    fields: dict[str, FieldValue] = {
        "source_addr_ton": 5,
        "source_addr": "Shop",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": RECIPIENT,
        "short_message": text,
    }
    return Pdu(Command.SUBMIT_SM, fields=fields | more, tlvs=tlvs)
