"""Callbacks as somebody would send them who does not know the secret: signed wrongly, or not."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import quote, unquote

import orjson

from onesixty.simulator.http.far_side import CallbackRequest

# Headers and fields in which the providers put signatures, or credentials in place of one.
_HEADER: Final = re.compile(r"(authorization|.*signature(-256|-v\d|-ed25519)?)", re.IGNORECASE)
_FIELDS: Final = frozenset({"Signature", "signature", "sig"})
_PARAMETER: Final = re.compile(r"(^|[?&])sig=([^&#]*)(&?)")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]+(?=[^A-Za-z0-9+/_-]*$)")

_Change = Callable[[str], str | None]  # None: leave it out


def badly_signed(call: CallbackRequest) -> CallbackRequest | None:
    """The same with one letter of its signature changed; None when it bears none."""
    return _changed(call, _altered)


def unsigned(call: CallbackRequest) -> CallbackRequest | None:
    """The same without its signature; None when it bears none."""
    return _changed(call, lambda _: None)


def _changed(call: CallbackRequest, change: _Change) -> CallbackRequest | None:
    headers = {}
    for name, value in call.headers.items():
        new = change(value) if _HEADER.fullmatch(name) else value
        if new is not None:
            headers[name] = new
    spoilt = replace(
        call,
        url=_in_parameters(call.url, change),
        headers=headers,
        body=_in_body(call.body, change),
    )
    return None if spoilt == call else spoilt


def _in_body(body: bytes, change: _Change) -> bytes:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return _in_parameters(body.decode(), change).encode()
        except UnicodeDecodeError:
            return body
    if not isinstance(told, dict) or not told.keys() & _FIELDS:
        return body
    for name in told.keys() & _FIELDS:
        new = change(str(told[name]))
        told[name] = new
        if new is None:
            del told[name]
    return orjson.dumps(told)


def _in_parameters(text: str, change: _Change) -> str:
    def other(found: re.Match[str]) -> str:
        before, value, after = found.groups()
        new = change(unquote(value))
        return before if new is None else f"{before}sig={quote(new, safe='')}{after}"

    return _PARAMETER.sub(other, text)


def _altered(signature: str) -> str:
    """Another letter in the middle of its last run, where every letter counts."""
    run = _RUN.search(signature)
    if run is None:
        return signature + "0"
    middle = (run.start() + run.end()) // 2
    letter = "a" if signature[middle] not in "aA" else "b"  # hex digits may be of either case
    return signature[:middle] + letter + signature[middle + 1 :]
