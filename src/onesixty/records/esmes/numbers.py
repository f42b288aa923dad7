"""Which ESME gets the inbound messages for a number of an account."""

from collections.abc import Iterable, Mapping
from typing import Final

from onesixty.records.esmes import EsmeRecord

_ANY: Final = "*"


class EsmeNumbers:
    """The numbers of all ESMEs that are enabled and receive inbound messages, ready to look up.

    An exact number goes before a prefix, a longer prefix before a shorter one, the older ESME
    before the younger. Where an account has but one such ESME, and that names no numbers, it gets
    all.
    """

    def __init__(self, records: Iterable[EsmeRecord]) -> None:
        receiving: dict[int, list[EsmeRecord]] = {}
        for one in sorted(records, key=lambda record: record.id):
            if one.enabled and one.settings.receives_inbound:
                receiving.setdefault(one.account_id, []).append(one)
        self._by_account = {account_id: _patterns(esmes) for account_id, esmes in receiving.items()}

    def receiver(self, account_id: int, number: str) -> int | None:
        """The number of the ESME that gets what comes for `number`, or None."""
        known = self._by_account.get(account_id)
        if known is None:
            return None
        digits = _digits(number)
        if (esme := known.get(digits)) is not None:
            return esme
        for length in range(len(digits), -1, -1):
            if (esme := known.get(digits[:length] + _ANY)) is not None:
                return esme
        return None


def _patterns(esmes: list[EsmeRecord]) -> Mapping[str, int]:
    """The ESME of each number and prefix."""
    found: dict[str, int] = {}
    for esme in esmes:
        for pattern in esme.settings.numbers:
            found.setdefault(_digits(pattern), esme.id)
    if len(esmes) == 1 and not esmes[0].settings.numbers:
        found[_ANY] = esmes[0].id
    return found


def _digits(number: str) -> str:
    return number.removeprefix("+")
