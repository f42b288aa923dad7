"""`onesixty smpp decode`: every field of a PDU, what it means, and what is wrong with it."""

import sys
from typing import Annotated, Any, Final

import orjson
import typer

from onesixty.carriers.smpp.explain import explain, pieces, status_hint
from onesixty.cli.smpp import hexadecimal
from onesixty.cli.smpp.lines import harmless
from onesixty.cli.terminal import FAILED, USAGE, Failure, out, print_table
from onesixty.smpp.trace.dissect import dissect, split
from onesixty.smpp.trace.masking import masked

app = typer.Typer(add_completion=False)
HEX_MOST: Final = 48  # digits of a field in the table; --json has them all


@app.command()
def decode(
    octets: Annotated[
        str, typer.Argument(metavar="HEX", help="The octets, or - to read them from stdin.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a PDU.")] = False,
) -> None:
    """Take PDUs apart: fields, TLVs, the text, the receipt, and what is wrong at which octet.

    Takes bare digits, 0x00, 00:01 and the dumps of tshark -x, xxd and tcpdump -x. Passwords are
    covered. Exits with 1 when something is wrong.
    """
    given = sys.stdin.read() if octets == "-" else octets
    try:
        frames = split(hexadecimal.parse(given))
    except hexadecimal.HexError as error:
        raise Failure(str(error), USAGE) from None
    told = [_told(frame) for frame in frames]
    for number, one in enumerate(told):
        if as_json:
            out.print(orjson.dumps(one).decode())
            continue
        if number:
            out.print()
        _print(one)
    if any(one["faults"] for one in told):
        raise typer.Exit(FAILED)


def _told(frame: bytes) -> dict[str, Any]:
    covered = masked(dissect(frame), show_text=True)
    told = explain(frame, show_text=True)
    told["pieces"] = pieces(covered)
    told["hint"] = status_hint(dissect(frame).status) if told["status"] else ""
    return told


def _print(told: dict[str, Any]) -> None:
    if told["command"] is None:
        out.print(f"no PDU, {told['length']} octets", style="bold")
    else:
        status = told["status"] + (f" ({told['hint']})" if told["hint"] else "")
        head = f"{told['command']}, sequence {told['sequence']}, {told['length']} octets, {status}"
        out.print(head, style="bold")
    if told["pieces"]:
        print_table(
            ("OCTET", "FIELD", "VALUE", "MEANS", "HEX"), [_row(one) for one in told["pieces"]]
        )
    _print_message(told["message"])
    if receipt := told["receipt"]:
        said = (f"{name.replace('_', ' ')} {value}" for name, value in receipt.items() if value)
        out.print(harmless(f"receipt: {', '.join(said)}"))
    for fault in told["faults"]:
        out.print(f"wrong at octet {fault['offset']}: {harmless(fault['text'])}", style="red")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    digits = one["hex"]
    shown = digits if len(digits) <= HEX_MOST else f"{digits[:HEX_MOST]}..."
    name = f"{one['name']} {one['tag']}" if one["tag"] else one["name"]
    value = one["value"]
    shown_value = harmless(value) if isinstance(value, str) else value
    return one["offset"], name, shown_value, harmless(one["meaning"]), shown


def _print_message(message: dict[str, Any] | None) -> None:
    if message is None:
        return
    for element in message["header"] or ():
        meant = element["meaning"] or element["value"]
        out.print(f"header: {element['name']} {element['id']}: {meant}")
    size = f"{message['octets']} octets of {message['alphabet']}"
    if message["text"] is None:
        out.print(f"data: {size}")
    else:
        out.print(f"text: {size}, {message['characters']} characters")
        out.print(f"    {message['text']!r}")
    if message["flaws"]:
        out.print(f"wrong in it: {', '.join(message['flaws'])}", style="red")
