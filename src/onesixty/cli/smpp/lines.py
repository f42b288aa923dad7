"""One line for each PDU, as the API and `explain` tell of it."""

from typing import Any, Final

from rich.text import Text

from onesixty.cli.terminal import out

_ARROWS: Final = {"in": "<-", "out": "->"}
_ENDS: Final = ("source_addr", "destination_addr", "esme_addr")
_GOOD: Final = frozenset({None, "ESME_ROK"})
_SESSION_WIDTH: Final = 17


def print_line(entry: dict[str, Any]) -> None:
    """Print what happened: when, in which session, which way, what."""
    head = f"{entry['time'][11:26]} "
    if entry["session"]:
        session = f"{entry['process']}/{entry['session']}"
        head += f" {session:<{_SESSION_WIDTH}} "
    if entry["kind"] not in _ARROWS:
        out.print(Text(f"{head} --  {entry['kind']}: {harmless(_ends(entry))}", style="dim"))
        return
    bad = entry["status"] not in _GOOD or entry["faults"]
    line = Text(f"{head} {_ARROWS[entry['kind']]}  ")
    line.append(harmless(" ".join(_words(entry))), style="red" if bad else "")
    out.print(line)


def harmless(text: str) -> str:
    """A text from outside without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _ends(entry: dict[str, Any]) -> str:
    detail = str(entry["detail"])
    return detail.replace(" ", " to ", 1) if entry["kind"] == "opened" else detail


def _words(entry: dict[str, Any]) -> list[str]:
    """What a PDU says, the important things only."""
    if entry["command"] is None:
        return [f"{entry['length']} octets that are no PDU:", *_faults(entry)]
    said = [entry["command"], str(entry["sequence"])]
    if entry["command"].endswith(("_resp", "_nack")):
        said.append(entry["status"])
    fields = entry["fields"]
    said += _about_binds(entry)
    if fields.get("message_id"):
        said.append(f"id {fields['message_id']}")
    ends = [str(fields[name] or "(none)") for name in _ENDS if name in fields]
    if len(ends) == 2 and set(ends) != {"(none)"}:
        said.append(" > ".join(ends))
    said += _about_message(entry)
    return said + _faults(entry)


def _about_binds(entry: dict[str, Any]) -> list[str]:
    said = []
    if name := entry["fields"].get("system_id"):
        said.append(f"by {name}" if entry["command"].endswith("_resp") else f"as {name}")
    version = entry["fields"].get("interface_version")
    for tlv in entry["tlvs"]:
        if tlv["name"] == "sc_interface_version":
            version = tlv["value"]
    if version is not None:
        said.append(f"version 0x{version:02x}")
    return said


def _about_message(entry: dict[str, Any]) -> list[str]:
    if receipt := entry["receipt"]:
        error = f" error {receipt['error']}" if receipt["error"].strip("0") else ""
        return [f"receipt of {receipt['id']}: {receipt['state']}{error}"]
    message = entry["message"]
    if message is None:
        return []
    said = [f"{message['octets']} octets {message['alphabet']}"]
    if message["characters"] is not None:
        said.append(f"({message['characters']} characters)")
    said += [one["meaning"] for one in message["header"] or () if one["meaning"]]
    if message.get("text") is not None:
        said.append(repr(message["text"]))
    return said


def _faults(entry: dict[str, Any]) -> list[str]:
    return [f"[octet {one['offset']}: {one['text']}]" for one in entry["faults"]]
