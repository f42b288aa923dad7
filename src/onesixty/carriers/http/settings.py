"""The settings that every carrier over HTTP has."""

from typing import Final

from onesixty.carriers.contract import SettingField

FIELDS: Final = (
    SettingField("window", "integer", "Requests in flight at once", default=20, at_least=1,
                 at_most=1000),
    SettingField("response_seconds", "number", "Wait for an answer before a message is uncertain",
                 default=30, at_least=0.1, at_most=300),
)  # fmt: skip
