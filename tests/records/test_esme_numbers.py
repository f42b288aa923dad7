"""Which ESME gets what comes for a number."""

from uuid import UUID

from onesixty.records.esmes import EsmeRecord, EsmeSettings
from onesixty.records.esmes.numbers import EsmeNumbers

ACCOUNT, OTHER = 1, 2


def esme(
    number: int,
    *numbers: str,
    account: int = ACCOUNT,
    enabled: bool = True,
    receives_inbound: bool = True,
) -> EsmeRecord:
    """An ESME that is to get what comes for these numbers."""
    settings = EsmeSettings(numbers=numbers, receives_inbound=receives_inbound)
    name = f"esme{number}"
    return EsmeRecord(number, UUID(int=number), account, name, "", enabled, settings, ())


def test_the_best_match() -> None:
    """Exact before prefix, longer before shorter, with or without +; else nobody."""
    numbers = EsmeNumbers(
        [esme(1, "+4477*"), esme(2, "+44770090*", "12345"), esme(3, "447700900111")]
    )
    found = {
        number: numbers.receiver(ACCOUNT, number)
        for number in (
            "+447700900111",
            "+447700900112",
            "+447800000000",
            "+4477",
            "12345",
            "123456",
        )
    }
    assert found == {
        "+447700900111": 3,
        "+447700900112": 2,
        "+447800000000": None,
        "+4477": 1,
        "12345": 2,
        "123456": None,
    }


def test_the_only_one() -> None:
    """The only receiving ESME of an account gets all, unless it names its numbers."""
    assert EsmeNumbers([esme(1)]).receiver(ACCOUNT, "+447700900111") == 1
    assert EsmeNumbers([esme(1, "+4477*")]).receiver(ACCOUNT, "+15005550100") is None
    assert EsmeNumbers([esme(1), esme(2)]).receiver(ACCOUNT, "+447700900111") is None
    one_of_two = [esme(1), esme(2, receives_inbound=False), esme(3, enabled=False)]
    assert EsmeNumbers(one_of_two).receiver(ACCOUNT, "+447700900111") == 1


def test_none_of_another_account() -> None:
    """The ESMEs of one account get nothing that came for another."""
    numbers = EsmeNumbers([esme(1, "*"), esme(2, account=OTHER)])
    assert numbers.receiver(ACCOUNT, "+447700900111") == 1
    assert numbers.receiver(OTHER, "+447700900111") == 2
    assert numbers.receiver(3, "+447700900111") is None
