"""Error numbers of Twilio, in answers and in callbacks, each with what it means for the message."""

from typing import Final

from onesixty.carriers.http.dialect import (
    config,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
)

# The number: invalid, no mobile, blocked, a landline, not on this channel.
_RECIPIENT: Final = (
    "21211 21214 21217 21612 21614 30004 30005 30006 30011 63003 63014 63024 63032 63033"
)
# No text, too long, media that cannot be had, filtered, forbidden, outside the 24 hours.
_CONTENT: Final = "21602 21617 21620 21623 30007 63005 63006 63013 63016 63021"
_CONFIG: Final = (
    "10001 20003 20005 20008 20404 20422 21212 21408 21603 21604 21606 21608 21609 21624 21654"
    " 21655 21656 21657 21703 21704 21705 30002 30010 30018 30024 30032 30033 30034 30035 35111"
    " 35114 35118 35126 63001 63002 63007 63008 63027 63028 63040 63041 63042 63051"
)
_THROTTLED: Final = "14107 20429 21611 30001 30022 30023 30027 63017 63018 63038"
_TRANSIENT: Final = "20500 20503 30003 30008 30017 30020 30021 30410 30450 63009 63010 63012 63019"
CODES: Final = {
    code: maker
    for codes, maker in (
        (_RECIPIENT, recipient),
        ("21610", opted_out),
        (_CONTENT, content),
        (_CONFIG, config),
        (_THROTTLED, throttled),
        (_TRANSIENT, transient),
    )
    for code in codes.split()
}
