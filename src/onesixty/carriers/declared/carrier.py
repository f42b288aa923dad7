"""`http`: a carrier over any HTTP API, described by its settings, without code."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from onesixty.carriers.content import CHANNELS
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField
from onesixty.carriers.declared.calls import DeclaredCalls
from onesixty.carriers.declared.dialect import DeclaredDialect
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.settings import FIELDS

_DESCRIPTIONS: Final = ("answers", "receipt", "inbound", "check")


def build(config: CarrierConfig) -> HttpCarrier:
    """A carrier as described. Raises ValueError for any description that does not fit."""
    if config.is_guest and _has_regex([config.settings.get(name) for name in _DESCRIPTIONS]):
        raise ValueError("regex is for carriers of the account at the top: use places and match")
    DeclaredCalls(config)
    return HttpCarrier(config, partial(DeclaredDialect, config))


def _has_regex(given: Any) -> bool:
    """Whether there is one at any depth.

    Pattern and text of a guest together could keep `re`, and so this whole process, busy for ever.
    """
    if isinstance(given, Mapping):
        return "regex" in given or any(_has_regex(one) for one in given.values())
    return isinstance(given, list) and any(_has_regex(one) for one in given)


SPEC: Final = CarrierSpec(
    kind="http",
    title="Any HTTP API, described by its settings",
    fields=(
        SettingField("base_url", "text", "{base_url} in the templates", required=True,
                     at_most=200),
        SettingField("username", "text", "{username} in the templates", at_most=200),
        SettingField("password", "secret", "{password} in the templates"),
        SettingField("api_key", "secret", "{api_key} in the templates"),
        SettingField("callback_secret", "secret", "What the far side signs its calls with"),
        SettingField("request", "json", "The request that sends a message", required=True),
        SettingField("answers", "json", "What its answers mean: rules in their order",
                     required=True),
        SettingField("receipt", "json", "Where a receipt has what"),
        SettingField("inbound", "json", "Where a message from a handset has what"),
        SettingField("signature", "json", "How the calls of the far side are signed"),
        SettingField("check", "json", "A request that tells whether the credentials are good"),
        *FIELDS,
    ),
    build=build,
    receives=("receipts", "inbound"),
    account=("base_url", "username"),
    channels=CHANNELS,
    calls=DeclaredCalls,
    callbacks={"status": "Receipts", "inbound": "Messages from handsets"},
    guide="http",
)  # fmt: skip
