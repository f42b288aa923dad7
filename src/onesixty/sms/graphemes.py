"""Where a text may be cut without cutting what a reader takes for one character.

A compact form of the extended grapheme clusters of Unicode Standard Annex 29, asked only around the
cuts of a long message. Where the standard library lacks a property (Extended_Pictographic, Prepend)
the rule leans to joining: a cut is moved only where that costs no extra part, so joining one pair
too many is harmless and cutting one is not.
"""

from unicodedata import category, combining

_FIRST_JOINABLE = "\u0300"  # below it only CR LF holds together
_ZWJ = "\u200d"
_ZWNJ = "\u200c"
_VIRAMA = 9  # canonical combining class of the signs that join Indic consonants
_MARKS = frozenset({"Mn", "Me", "Mc"})
_PICTURES = frozenset({"So", "Sm", "Po", "Cn"})
_THAI_LAO_AM = "\u0e33\u0eb3"


def border(text: str, index: int, floor: int) -> int:
    """The last place at or before `index` and after `floor` where no cluster is cut.

    `index` itself when there is none: a cluster longer than a part is cut where it must be.
    """
    at = index
    while at > floor:
        if not _joined(text, at):
            return at
        at -= 1
    return index


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after this place belong to one cluster."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if right < _FIRST_JOINABLE:
        return left == "\r" and right == "\n"
    if category(left) in ("Cc", "Zl", "Zp"):
        return False
    return (
        _extends(right)
        or (left == _ZWJ and category(right) in _PICTURES)
        or (_is_regional(right) and _regionals_before(text, at) % 2 == 1)
        or _is_conjunct(text, at)
        or _is_syllable(left, right)
    )


def _extends(letter: str) -> bool:
    """Marks, joiners, skin tones, tags, half-width voicing marks: never begin a cluster."""
    return (
        category(letter) in _MARKS
        or letter in (_ZWJ, _ZWNJ)
        or "\U0001f3fb" <= letter <= "\U0001f3ff"
        or "\U000e0020" <= letter <= "\U000e007f"
        or "\uff9e" <= letter <= "\uff9f"
        or letter in _THAI_LAO_AM
    )


def _is_regional(letter: str) -> bool:
    """Regional indicators: two of them are a flag."""
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    """How many regional indicators stand directly before this place."""
    start = at
    while start and _is_regional(text[start - 1]):
        start -= 1
    return at - start


def _is_conjunct(text: str, at: int) -> bool:
    """A letter after marks with a virama among them: the rest of an Indic conjunct."""
    if category(text[at]) != "Lo":
        return False
    while at and _extends(text[at - 1]):
        at -= 1
        if combining(text[at]) == _VIRAMA:
            return True
    return False


def _is_syllable(left: str, right: str) -> bool:
    """Hangul written as separate letters: leading consonants, vowels, trailing consonants."""
    kinds = _hangul(left) + _hangul(right)
    return kinds in ("LL", "LV", "LS", "VV", "VT", "SV", "ST", "TT")


def _hangul(letter: str) -> str:
    """L, V or T for a letter, S for a whole syllable, "-" for anything else."""
    if "\uac00" <= letter <= "\ud7a3":
        return "S"
    if "\u1100" <= letter <= "\u115f" or "\ua960" <= letter <= "\ua97c":
        return "L"
    if "\u1160" <= letter <= "\u11a7" or "\ud7b0" <= letter <= "\ud7c6":
        return "V"
    if "\u11a8" <= letter <= "\u11ff" or "\ud7cb" <= letter <= "\ud7fb":
        return "T"
    return "-"
