"""Mixed texts, each of which tells its number: every alphabet and length that breaks somebody."""

import random
from collections.abc import Callable, Sequence
from typing import Final

_GSM: Final = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà"
_GSM_EXTENSION: Final = "^{}\\[~]|€"
_OTHERS: Final = (
    "Привет, мир", "مرحبا بالعالم", "你好，世界", "नमस्ते दुनिया", "Γειά σου Κόσμε", "Łódź çà et là",
    "👨‍👩‍👧 👍🏽 🇩🇪 1️⃣", "e\u0301 o\u0308", "“curly” — dash …", "日本語テキスト", "שלום עולם",
)  # fmt: skip


def mixed(count: int, seed: int = 1) -> list[str]:
    """So many texts that differ, of each kind in turn."""
    chance = random.Random(seed)
    return [_KINDS[number % len(_KINDS)](f"#{number} ", chance) for number in range(count)]


def is_gsm(text: str) -> bool:
    """Whether one of these texts stays within the GSM alphabet."""
    within = _GSM + _GSM_EXTENSION
    return all(one in within or (one.isascii() and one.isalnum()) for one in text)


def _some(characters: Sequence[str], number: int, chance: random.Random) -> str:
    return "".join(chance.choice(characters) for _ in range(number))


def _plain(tag: str, chance: random.Random) -> str:
    return f"{tag}Your code is {chance.randrange(10**6):06d}. Do not share it."


def _gsm(tag: str, chance: random.Random) -> str:
    return tag + _some(_GSM, chance.randrange(1, 100), chance) + "."


def _extended(tag: str, chance: random.Random) -> str:
    return tag + _some(_GSM_EXTENSION + "ab", 40, chance)


def _full(tag: str, chance: random.Random) -> str:
    """Exactly one SMS."""
    return tag + "x" * (160 - len(tag))


def _one_too_many(tag: str, chance: random.Random) -> str:
    return tag + "x" * (161 - len(tag))


def _escape_at_the_seam(tag: str, chance: random.Random) -> str:
    return tag + "x" * (152 - len(tag)) + "€" + "y" * 20


def _long_gsm(tag: str, chance: random.Random) -> str:
    return tag + _some(_GSM + _GSM_EXTENSION, chance.randrange(200, 600), chance) + "."


def _unicode(tag: str, chance: random.Random) -> str:
    return tag + chance.choice(_OTHERS)


def _full_unicode(tag: str, chance: random.Random) -> str:
    return tag + "я" * (70 - len(tag))


def _pair_at_the_seam(tag: str, chance: random.Random) -> str:
    return tag + "я" * (66 - len(tag)) + "😀" + "яяя"


def _long_unicode(tag: str, chance: random.Random) -> str:
    return tag + " ".join(chance.choice(_OTHERS) for _ in range(chance.randrange(8, 20)))


def _at_signs(tag: str, chance: random.Random) -> str:
    return f"@{tag}@@"


_KINDS: Final[tuple[Callable[[str, random.Random], str], ...]] = (
    _plain, _gsm, _extended, _full, _one_too_many, _escape_at_the_seam, _long_gsm, _unicode,
    _full_unicode, _pair_at_the_seam, _long_unicode, _at_signs,
)  # fmt: skip
