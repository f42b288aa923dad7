"""`onesixty smpp send`: one submit_sm straight to a message centre, every field as one likes."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from onesixty.carriers.smpp.explain import explain
from onesixty.cli import client
from onesixty.cli.smpp import hexadecimal, target
from onesixty.cli.smpp.lines import print_line
from onesixty.cli.smpp.talk import Talk, TalkError
from onesixty.cli.smpp.target import Given, Target
from onesixty.cli.terminal import FAILED, USAGE, Failure, err, out, run
from onesixty.kit.clock import SystemClock
from onesixty.smpp.codec import EncodeError, encode
from onesixty.smpp.pdus import BODIES, Command, FieldKind, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.receipts import MessageState, parse_receipt
from onesixty.smpp.states import BindMode
from onesixty.smpp.statuses import name_of, remark_on
from onesixty.sms.alphabet import GSM7

app = typer.Typer(add_completion=False)
# data_coding of texts, and the codec that writes them; other values need --hex.
_CODECS: Final = {1: "ascii", 3: "latin-1", 6: "iso8859-5", 7: "iso8859-8", 8: "utf-16-be"}
_FIELDS: Final = {spec.name: spec for spec in BODIES[Command.SUBMIT_SM]}


@app.command()
def send(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="With --hex: octets.")],
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="The recipient.")],
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The sender.")] = "",
    carrier: Annotated[
        str | None, typer.Option(metavar="NAME", help="One on file, instead of --host.")
    ] = None,
    host: target.Host = None,
    port: target.Port = 2775,
    system_id: target.SystemId = None,
    system_type: target.SystemType = "",
    password_file: target.PasswordFile = None,
    tls: target.Tls = False,
    tls_ca: target.TlsCa = None,
    tls_insecure: target.TlsInsecure = False,
    as_hex: Annotated[bool, typer.Option("--hex", help="TEXT is octets in hexadecimal.")] = False,
    payload: Annotated[bool, typer.Option("--payload", help="In message_payload.")] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any field, such as esm_class=0x40; repeatable."),
    ] = None,
    tlv: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG=HEX", help="Such as 0x0204=002a; repeatable."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="For the receipt, in seconds.")] = 30.0,
    seconds: target.Seconds = 10.0,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Bind, send one submit_sm, print each PDU, wait for the receipt. Nothing is split.

    Types of number follow from the addresses, data_coding from the text, where no --field says
    otherwise. Exits with 1 when it is refused, or not delivered as its receipt says.
    """
    given = Given(
        host, port, system_id, system_type, password_file, tls, tls_ca, tls_insecure, seconds
    )
    fields = _addressed(sender, to) | _fields(field or ())
    octets = _octets(text, fields, as_hex=as_hex)
    tlvs = [_tlv(one) for one in tlv or ()]
    if payload:
        tlvs.insert(0, Tlv(Tag.MESSAGE_PAYLOAD, octets))
    else:
        fields["short_message"] = octets
    aim = run(given.target_of(carrier, (url, key))) if carrier else given.target()
    wait = wait if fields["registered_delivery"] else 0.0
    if not run(_send(aim, Pdu(Command.SUBMIT_SM, fields=fields, tlvs=tlvs), wait)):
        raise typer.Exit(FAILED)


async def _send(aim: Target, pdu: Pdu, wait_seconds: float) -> bool:
    """Bind, submit, wait; whether all went well. What happens is printed as it happens."""
    clock = SystemClock()

    def watch(is_ours: bool, octets: bytes) -> None:
        now = clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        kind = "out" if is_ours else "in"
        told = explain(octets, show_text=True)
        print_line({"time": now, "kind": kind, "session": "", "process": ""} | told)

    try:
        talk = await Talk.open(aim.where, clock, watch)
        try:
            return await _converse(talk, aim, pdu, wait_seconds)
        finally:
            await talk.close()
    except TalkError as error:
        raise Failure(f"{aim.where.host}:{aim.where.port}: {error}") from None
    except EncodeError as error:
        raise Failure(str(error), USAGE) from None


async def _converse(talk: Talk, aim: Target, pdu: Pdu, wait_seconds: float) -> bool:
    encode(pdu)
    bound = (await talk.ask(aim.bind(BindMode.TRANSCEIVER, 0x34), lenient=True)).pdu
    if _is_refused(bound):
        return False
    talk.awaited = pdu.text("destination_addr")
    answer = (await talk.ask(pdu)).pdu
    if _is_refused(answer):
        return False
    if not wait_seconds:
        return True
    identifier = answer.text("message_id")

    def has_final() -> bool:
        return any(parse_receipt(one).final for one in talk.came)

    if not await talk.until(has_final, wait_seconds):
        out.print(f"no final receipt of {identifier} within {wait_seconds:g} s", style="yellow")
        return True
    last = parse_receipt(talk.came[-1])
    return last.state is MessageState.DELIVERED


def _is_refused(answer: Pdu) -> bool:
    if not answer.status and answer.command != Command.GENERIC_NACK:
        return False
    hint = remark_on(answer.status)
    err.print(f"refused: {name_of(answer.status)}{f': {hint}' if hint else ''}", style="red")
    return True


def _addressed(sender: str, to: str) -> dict[str, FieldValue]:
    """Both addresses with their usual type and plan of number, and a receipt asked for."""
    fields: dict[str, FieldValue] = {"registered_delivery": 1}
    for name, number, address in (
        ("source_addr", "source_addr", sender),
        ("destination_addr", "dest_addr", to),
    ):
        digits = address.removeprefix("+")
        is_international = address != digits or (name == "destination_addr" and digits.isdigit())
        is_name = bool(digits) and not digits.isdigit()
        fields[name] = digits
        fields[f"{number}_ton"] = 1 if is_international else 5 if is_name else 0
        fields[f"{number}_npi"] = int(is_international)
    return fields


def _fields(given: Sequence[str]) -> dict[str, FieldValue]:
    """The fields of `name=value`. Raises Failure for one that submit_sm lacks, or a bad number."""
    fields: dict[str, FieldValue] = {}
    for one in given:
        name, sign, value = one.partition("=")
        spec = _FIELDS.get(name)
        if not sign or spec is None or spec.kind is FieldKind.OCTETS:
            known = ", ".join(each for each in _FIELDS if each != "short_message")
            raise Failure(f"--field {one}: write NAME=VALUE, with one of: {known}", USAGE)
        try:
            fields[name] = int(value, 0) if spec.kind is FieldKind.INTEGER else value
        except ValueError:
            raise Failure(f"--field {one}: {value!r} is no number", USAGE) from None
    return fields


def _octets(text: str, fields: dict[str, FieldValue], *, as_hex: bool) -> bytes:
    """The user data, by the data_coding given, which is filled in where none is. Raises Failure."""
    if as_hex:
        try:
            return hexadecimal.parse(text)
        except hexadecimal.HexError as error:
            raise Failure(str(error), USAGE) from None
    septets = GSM7.encode(text)
    fields.setdefault("data_coding", 8 if septets is None else 0)
    coding = int(str(fields["data_coding"]))
    if coding == 0 and septets is not None:
        return septets
    if coding == 0:
        raise Failure(f"data_coding 0 has no {GSM7.unencodable(text)!r}", USAGE)
    codec = _CODECS.get(coding)
    if codec is None:
        raise Failure(f"a text has no octets in data_coding {coding}: give them with --hex", USAGE)
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise Failure(f"data_coding {coding} has no {text[error.start]!r}", USAGE) from None


def _tlv(given: str) -> Tlv:
    """The TLV of `tag=hex`. Raises Failure."""
    tag, sign, octets = given.partition("=")
    try:
        number, value = int(tag, 0), hexadecimal.parse(octets) if octets else b""
    except ValueError:
        number, value = -1, b""
    if not sign or not 0 <= number <= 0xFFFF:
        raise Failure(f"--tlv {given}: write TAG=HEX, such as 0x0204=002a", USAGE)
    return Tlv(number, value)
