"""What the clouds can send of a submission: text."""

from typing import Final

from onesixty.carriers.content import SMS
from onesixty.carriers.contract import Submission

_MARKETING: Final = 3  # the category with this number


def text_of(one: Submission, most: int) -> str:
    """The text. Raises ValueError for what is not a plain text of at most so many characters."""
    if one.form is not None or one.encoding == "binary":
        raise ValueError("this carrier sends plain text, no binary data, headers or classes")
    if one.content is not None and one.channel == SMS:
        raise ValueError("this carrier sends text alone by SMS")
    if len(one.body) > most:
        raise ValueError(f"this carrier takes {most} characters, the text has {len(one.body)}")
    return one.body


def is_marketing(one: Submission) -> bool:
    """Whether it is to be declared as promotion."""
    return one.priority == _MARKETING


def is_number(sender: str) -> bool:
    """Whether a sender is a number or a short code, not a name."""
    return sender.removeprefix("+").isdecimal()
