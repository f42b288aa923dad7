"""What Vonage's error numbers mean: those of its Messages API, and those of its SMS API."""

from typing import Final

from onesixty.carriers.http.dialect import (
    config,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
    unknown,
)

# Messages API. The number barred, invalid, out of credit, on no network that is reached.
_RECIPIENT: Final = "1050 1170 1190 1200 1260 1270 1280 1290 1300 1310 1430"
# Taken for spam, outside the 24 hours, media that cannot be had.
_CONTENT: Final = "1210 1340 1380 1381 1382"
_CONFIG: Final = (
    "1010 1020 1021 1022 1040 1060 1070 1080 1090 1120 1130 1140 1150 1160 1250 1251 1282 1350"
    " 1360 1370 1400 1410 1420 1440 1450 1451 1460 1470 1472 1473 1480 1481 1482 1483 1484"
)
_TRANSIENT: Final = "1030 1100 1180 1220 1230 1331"
MESSAGES: Final = {
    code: maker
    for codes, maker in (
        (_RECIPIENT, recipient),
        ("1240", opted_out),
        (_CONTENT, content),
        (_CONFIG, config),
        ("1000 1241 1461", throttled),
        (_TRANSIENT, transient),
        # 1320 says "already sent", which some earlier request must have done.
        ("1320 1330", unknown),
    )
    for code in codes.split()
}
EXPIRED: Final = "1360"
UNKNOWN: Final = "1330"
# A `rejected` with one of these comes from the network or the handset, not from Vonage.
UNDELIVERED: Final = frozenset(("1240", *_RECIPIENT.split(), *_TRANSIENT.split()))

# SMS API: `status` of each part in the answer.
SMS: Final = {
    code: maker
    for codes, maker in (
        ("6 7 33", recipient),
        ("12", content),
        ("2 3 4 8 9 11 14 15 22 23 29 32", config),
        ("1 10", throttled),
        ("5", transient),
    )
    for code in codes.split()
}
