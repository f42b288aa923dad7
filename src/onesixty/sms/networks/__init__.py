"""Mobile networks by the first digits of numbers: MCC and MNC (ITU-T E.212), longest prefix first.

The digits tell which network a range was given to. A number that was ported is elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

CODE_LENGTHS: Final = (5, 6)  # digits of MCC and MNC


@dataclass(frozen=True, slots=True)
class Network:
    """A mobile network: digits of MCC and MNC, such as 23410, and its operator's name."""

    code: str
    name: str = ""

    @property
    def written(self) -> str:
        """The code as people write it: 234-10."""
        return f"{self.code[:3]}-{self.code[3:]}"


NOBODY: Final = Network("")  # in a plan: nobody that is known, whatever shorter digits say
_HEAD: Final = 5  # "+" and four digits, by which a plan knows how long its prefixes are there


class NetworkPlan:
    """Networks by the first digits of numbers. A look-up costs one of a dict for each length."""

    def __init__(self, rows: Mapping[str, Network] = MappingProxyType({})) -> None:
        """By digits without +."""
        self._rows = {f"+{prefix}": network for prefix, network in rows.items()}
        ends: dict[str, set[int]] = {}
        for prefix in self._rows:
            for head in _heads(prefix[:_HEAD]):
                ends.setdefault(head, set()).add(len(prefix))
        self._ends = {head: tuple(sorted(some, reverse=True)) for head, some in ends.items()}

    def __len__(self) -> int:
        """How many rows it has."""
        return len(self._rows)

    def find(self, number: str) -> tuple[str, Network] | None:
        """The digits that count for a number in E.164, and its network; None: not known."""
        rows = self._rows
        for end in self._ends.get(number[:_HEAD], ()):
            network = rows.get(number[:end])
            if network is not None:
                return (number[1:end], network) if network is not NOBODY else None
        return None


def _heads(start: str) -> list[str]:
    """All beginnings of the full length that have this one: +4 has +4000 to +4999."""
    missing = _HEAD - len(start)
    return [f"{start}{n:0{missing}}" for n in range(10**missing)] if missing else [start]


def code_of(text: str) -> str | None:
    """The digits of an MCC and MNC as people write it, such as 234-10; None when it is none.

    The first digit of an MCC tells the part of the world, 2 to 7, or 9 for networks of no country.
    """
    code = text.strip().replace("-", "").replace(" ", "")
    is_code = code.isascii() and code.isdigit() and len(code) in CODE_LENGTHS
    return code if is_code and code[0] in "2345679" else None


@cache
def shipped() -> NetworkPlan:
    """What libphonenumber knows of ranges, in the codes of `known.tsv`.

    The first call reads its data: some 0.4 s and 12 MB.
    """
    from phonenumbers.carrierdata import CARRIER_DATA

    codes = _codes()
    rows: dict[str, Network] = {}
    for prefix, names in CARRIER_DATA.items():
        if network := _network(codes, prefix, names.get("en", "")):
            rows[prefix] = network
    others = [
        prefix
        for prefix in CARRIER_DATA
        if prefix not in rows and any(prefix[:end] in rows for end in range(1, len(prefix)))
    ]
    return NetworkPlan(rows | dict.fromkeys(others, NOBODY))


def known() -> list[tuple[str, Network]]:
    """The rows of `known.tsv`: what numbers begin with, and the network of an operator there."""
    text = (
        resources.files("onesixty.sms.networks").joinpath("known.tsv").read_text(encoding="utf-8")
    )
    lines = [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]
    return [(start, Network(code.replace("-", ""), name)) for start, name, code in lines]


def _codes() -> dict[str, dict[str, Network]]:
    found: dict[str, dict[str, Network]] = {}
    for start, network in known():
        found.setdefault(start, {})[network.name] = network
    return found


def _network(codes: dict[str, dict[str, Network]], prefix: str, name: str) -> Network | None:
    """By the longest start that the table has: +77 is Kazakhstan, +7 without it Russia."""
    for end in range(min(4, len(prefix)), 0, -1):
        if prefix[:end] in codes:
            return codes[prefix[:end]].get(name)
    return None
