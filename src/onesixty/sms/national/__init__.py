"""National language tables (3GPP TS 23.038 annex A), read from tables.tsv at the first use.

A locking table replaces the base table, a single shift table replaces the extension table; a
message says which in its header. The file has rows of 16 cells, "----" for no character.
"""

from enum import IntEnum
from functools import cache
from importlib.resources import files

from onesixty.sms.alphabet import DEFAULT_BASE, DEFAULT_SHIFT, UNASSIGNED, Alphabet


class Language(IntEnum):
    """National language identifiers, as they stand in the header."""

    TURKISH = 1
    SPANISH = 2
    PORTUGUESE = 3
    BENGALI = 4
    GUJARATI = 5
    HINDI = 6
    KANNADA = 7
    MALAYALAM = 8
    ORIYA = 9
    PUNJABI = 10
    TAMIL = 11
    TELUGU = 12
    URDU = 13


@cache
def alphabet(locking: int = 0, single: int = 0) -> Alphabet:
    """The alphabet of a message with these tables; 0, or a table nobody defined, is the default."""
    base = _tables().get(("locking", locking))
    shift = _tables().get(("single", single))
    letters = DEFAULT_BASE
    if base is not None:
        letters = "".join(base.get(code, UNASSIGNED) for code in range(128))
    return Alphabet(letters, DEFAULT_SHIFT if shift is None else shift)


def has_locking(language: int) -> bool:
    """Whether the language has a locking table; Spanish has a single shift table only."""
    return ("locking", language) in _tables()


@cache
def _tables() -> dict[tuple[str, int], dict[int, str]]:
    """All tables: (kind, language) -> code -> character."""
    tables: dict[tuple[str, int], dict[int, str]] = {}
    lines = files("onesixty.sms.national").joinpath("tables.tsv").read_text("ascii").splitlines()
    for line in lines[1:]:
        kind, language, row, cells = line.split("\t")
        table = tables.setdefault((kind, int(language)), {})
        for code, cell in enumerate(cells.split(" "), int(row, 16)):
            if cell != "----":
                table[code] = chr(int(cell, 16))
    return tables
