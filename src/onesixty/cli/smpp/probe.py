"""`onesixty smpp probe`: bind to a message centre and find out what it can do."""

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
import typer

from onesixty.cli import client
from onesixty.cli.smpp import target
from onesixty.cli.smpp.talk import Talk, TalkError
from onesixty.cli.smpp.target import MODES, VERSIONS, Given, Target
from onesixty.cli.terminal import FAILED, USAGE, Failure, out, print_table, run
from onesixty.kit.clock import Clock, SystemClock
from onesixty.smpp.codec import EncodeError
from onesixty.smpp.message_ids import Reading, match_key, readings
from onesixty.smpp.pdus import Command, FieldValue, Pdu, Tag
from onesixty.smpp.receipts import Receipt, parse_receipt
from onesixty.smpp.statuses import Status, name_of, remark_on

app = typer.Typer(add_completion=False)
ROUNDS: Final = 10
AT_ONCE: Final = 20
RECEIPT_SECONDS: Final = 30.0
# An id that no message has, so that nothing is asked about, cancelled or replaced.
_NO_ID: Final = "FFFFFFFFFFFFFFFF"
# More binds after these would be guesses at a password, which gets addresses banned.
_WRONG_CREDENTIALS: Final = frozenset({Status.RBINDFAIL, Status.RINVPASWD, Status.RINVSYSID})


@dataclass(slots=True)
class Findings:
    """What was found out, in the order of the steps: what it is about, and what it is."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    is_bound: bool = False

    def add(self, what: str, found: str) -> None:
        """One more."""
        self.rows.append((what, found))


@app.command()
def probe(
    carrier: Annotated[
        str | None, typer.Argument(metavar="CARRIER", help="One on file, instead of --host.")
    ] = None,
    host: target.Host = None,
    port: target.Port = 2775,
    system_id: target.SystemId = None,
    system_type: target.SystemType = "",
    password_file: target.PasswordFile = None,
    tls: target.Tls = False,
    tls_ca: target.TlsCa = None,
    tls_insecure: target.TlsInsecure = False,
    mode: Annotated[
        str, typer.Option(help="What to bind as at first: transceiver, transmitter, receiver.")
    ] = "transceiver",
    to: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Send one message there, digits only.")
    ] = None,
    sender: Annotated[str, typer.Option("--from", metavar="SENDER", help="Of it.")] = "",
    seconds: target.Seconds = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Bind to a message centre and tell what it is and supports. Sends nothing without --to.

    It binds up to five times, one after the other. Exits with 1 when no bind is accepted.
    """
    if mode not in MODES:
        raise Failure(f"--mode is one of: {', '.join(MODES)}", USAGE)
    given = Given(
        host, port, system_id, system_type, password_file, tls, tls_ca, tls_insecure, seconds
    )
    aim = run(given.target_of(carrier, (url, key))) if carrier else given.target()
    findings = run(_probe(aim, mode, (to, sender) if to else None))
    if as_json:
        out.print(orjson.dumps(dict(findings.rows)).decode())
    else:
        print_table(("WHAT", "FOUND"), findings.rows)
    if not findings.is_bound:
        raise typer.Exit(FAILED)


async def _probe(aim: Target, mode: str, message: tuple[str, str] | None) -> Findings:
    found, clock = Findings(), SystemClock()
    try:
        status = await _main_session(aim, mode, message, found, clock)
        if status == Status.ROK:
            await _other_binds(aim, mode, found, clock)
    except TalkError as error:
        found.add("ended", str(error))
    except EncodeError as error:
        raise Failure(str(error), USAGE) from None
    return found


async def _main_session(
    aim: Target, mode: str, message: tuple[str, str] | None, found: Findings, clock: Clock
) -> int:
    """The bind that most is asked on; the command_status of its answer."""
    async with _talking(aim, found, clock) as talk:
        status = await _bind(talk, aim, mode, "3.4", found)
        if status in _WRONG_CREDENTIALS:
            found.add(
                "note", "no further bind was tried: if name and password are right, try --mode"
            )
        if status != Status.ROK:
            return status
        found.is_bound = True
        await _enquire(talk, found, clock)
        if mode != "receiver":
            if message is not None:
                await _send(talk, message, found)
            await _commands(talk, found)
    return status


async def _other_binds(aim: Target, mode: str, found: Findings, clock: Clock) -> None:
    for other_mode, version in (
        (mode, "5.0"),
        (mode, "3.3"),
        *((one, "3.4") for one in MODES if one != mode),
    ):
        async with _talking(aim, None, clock) as talk:
            await _bind(talk, aim, other_mode, version, found)


@asynccontextmanager
async def _talking(aim: Target, found: Findings | None, clock: Clock) -> AsyncIterator[Talk]:
    """A connection, of which the first tells how it was made."""
    began = clock.monotonic()
    talk = await Talk.open(aim.where, clock)
    if found is not None:
        took = _milliseconds(clock.monotonic() - began)
        found.add("connection", f"{aim.where.host}:{aim.where.port} in {took}")
        _about_tls(talk, found)
    try:
        yield talk
    finally:
        await talk.close()
        if found is not None and talk.turned_back:
            back = f"{talk.turned_back} receipts or messages for somebody else were turned back"
            found.add("deliveries", f"{back} with ESME_RX_T_APPN: they come again")


def _about_tls(talk: Talk, found: Findings) -> None:
    tls = talk.tls
    if tls is None:
        found.add("TLS", "none: name, password and texts can be read on the way")
        return
    cipher = tls.cipher()
    found.add("TLS", f"{tls.version()}, {cipher[0] if cipher else 'no cipher'}")
    certificate = tls.getpeercert()
    if certificate:
        found.add("certificate", _certificate(certificate))
    else:
        found.add("certificate", "not checked")


def _certificate(certificate: Any) -> str:
    names = [value for _, value in certificate.get("subjectAltName", ())]
    issuer = {name: value for one in certificate.get("issuer", ()) for name, value in one}
    by = issuer.get("organizationName") or issuer.get("commonName") or "?"
    return f"{', '.join(names) or '?'}; by {by}; until {certificate.get('notAfter', '?')}"


async def _bind(talk: Talk, aim: Target, mode: str, version: str, found: Findings) -> int:
    """Ask to be bound; what is answered, in words, and its command_status."""
    what = f"{mode} {version}"
    try:
        reply = await talk.ask(aim.bind(MODES[mode], VERSIONS[version]), lenient=True)
    except TalkError as error:
        found.add(what, str(error))
        return Status.RSYSERR
    pdu = reply.pdu
    if pdu.status or pdu.command == Command.GENERIC_NACK:
        hint = remark_on(pdu.status)
        found.add(what, f"refused: {name_of(pdu.status)}{f' ({hint})' if hint else ''}")
        return pdu.status or Status.RSYSERR
    offered = pdu.tlv_integer(Tag.SC_INTERFACE_VERSION)
    told = f"sc_interface_version 0x{offered:02x}" if offered else "no sc_interface_version"
    name = pdu.text("system_id")
    found.add(what, f"accepted in {_milliseconds(reply.seconds)} by {name or '(no name)'}, {told}")
    return Status.ROK


async def _enquire(talk: Talk, found: Findings, clock: Clock) -> None:
    """Round trips, one after the other and many at once."""
    times = [(await talk.ask(Pdu(Command.ENQUIRE_LINK))).seconds for _ in range(ROUNDS)]
    least, middle, most = min(times), statistics.median(times), max(times)
    found.add(
        "enquire_link",
        f"{_milliseconds(least)} / {_milliseconds(middle)} / {_milliseconds(most)}"
        " (least / median / most)",
    )
    began = clock.monotonic()
    sent = [talk.send(Pdu(Command.ENQUIRE_LINK)) for _ in range(AT_ONCE)]
    for sequence in sent:
        await talk.answer_of(sequence)
    took = clock.monotonic() - began
    found.add("window", f"{AT_ONCE} enquire_link at once were answered in {_milliseconds(took)}")
    found.add("speed", f"a window of 10 allows {10 / middle:,.0f} submits a second, so far away")


async def _commands(talk: Talk, found: Findings) -> None:
    """Which commands it knows, asked about a message that is not there."""
    asked: dict[Command, dict[str, FieldValue]] = {
        Command.QUERY_SM: {"message_id": _NO_ID},
        Command.CANCEL_SM: {"message_id": _NO_ID},
        Command.REPLACE_SM: {"message_id": _NO_ID},
    }
    for command, fields in asked.items():
        name = command.name.lower()
        try:
            pdu = (await talk.ask(Pdu(command, fields=fields))).pdu
        except TalkError as error:
            found.add(name, str(error))
            if talk.ended:
                return
            continue
        unknown = pdu.command == Command.GENERIC_NACK or pdu.status == Status.RINVCMDID
        verdict = "not supported" if unknown else "known"
        found.add(name, f"{verdict}: {name_of(pdu.status)} for a message that is not there")


async def _send(talk: Talk, message: tuple[str, str], found: Findings) -> None:
    """One message, how it is numbered, and its receipt."""
    to, sender = message
    fields: dict[str, FieldValue] = {
        "source_addr": sender.removeprefix("+"),
        "source_addr_ton": 1 if sender.startswith("+") else 5 if sender.strip("0123456789") else 0,
        "source_addr_npi": int(sender.startswith("+")),
        "destination_addr": to.removeprefix("+"),
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "registered_delivery": 1,
        "short_message": b"Onesixty probe",
    }
    talk.awaited = to.removeprefix("+")
    reply = await talk.ask(Pdu(Command.SUBMIT_SM, fields=fields))
    if reply.pdu.status:
        found.add("submit_sm", f"refused: {name_of(reply.pdu.status)}")
        return
    identifier = reply.pdu.text("message_id")
    found.add("submit_sm", f"accepted in {_milliseconds(reply.seconds)}")
    found.add("message id", f"{identifier} ({form_of(identifier)})")
    if await talk.until(lambda: bool(talk.came), RECEIPT_SECONDS):
        receipt = parse_receipt(talk.came[0])
        state = receipt.stat or receipt.state.name.lower()
        form = f"{_kinship(identifier, receipt)} ({form_of(receipt.id)}), {state}"
        found.add("receipt", f"{form}, done {receipt.done_date or 'at no told time'}")
    else:
        found.add("receipt", f"none on this bind within {RECEIPT_SECONDS:g} s")


_KINSHIP = {
    Reading.AS_IS: "the same but for case, zeros or what is around it",
    Reading.HEX_TO_DECIMAL: "the message id in hexadecimal",
    Reading.DECIMAL_TO_HEX: "the message id in decimal",
    Reading.WITHOUT_FIRST: "the message id behind something else",
    Reading.WITHOUT_LAST: "the message id before something else",
}


def _kinship(identifier: str, receipt: Receipt) -> str:
    if identifier in receipt.ids:
        return "the same id"
    wanted = match_key(identifier)
    for way, key in readings(receipt.id):
        if key == wanted:
            return f"id {receipt.id}, {_KINSHIP[way]}"
    return f"id {receipt.id}, not the message id in any known form" if receipt.id else "no id"


def form_of(identifier: str) -> str:
    """How a message id is written, as far as its characters tell."""
    length = f"{len(identifier)} characters"
    if identifier.isdigit():
        return f"{length}, decimal digits"
    digits = identifier.replace("-", "")
    if digits and not digits.strip("0123456789abcdefABCDEF"):
        case = "lower" if digits == digits.lower() else "upper"
        kind = "UUID" if "-" in identifier and len(digits) == 32 else "hexadecimal digits"
        return f"{length}, {kind}, {case} case"
    return f"{length}, neither decimal nor hexadecimal"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
