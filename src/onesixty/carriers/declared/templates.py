"""Requests from templates: a description with {names} in its texts, filled for each message."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import orjson

from onesixty.carriers.contract import Submission
from onesixty.carriers.http.dialect import Request

PLACEHOLDER: Final = re.compile(r"\{([a-z0-9_]+)\}")
METHODS: Final = ("GET", "POST", "PUT")
FORMATS: Final = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "none": "",
}
# What stands in a template for what; the last ones come from the carrier's settings.
NAMES: Final = {
    "to": "the recipient, E.164 with +",
    "to_digits": "the recipient without +",
    "from": "the sender as given; empty when the carrier chooses",
    "from_digits": "the sender without a +",
    "text": "the text",
    "text_ucs2": "the text as UCS-2 in hexadecimal digits",
    "unicode": "true where the text needs UCS-2, else false",
    "segments": "how many parts it is counted as",
    "id": "our id of the message, 32 hexadecimal digits",
    "callback": "our callback URL for its receipts; empty without public_url",
    "ttl": "seconds until it is no longer wanted",
    "expires_at": "when it is no longer wanted, RFC 3339",
    "category": "its priority, 0 to 3",
    "media": "the URL of its first file; empty without",
    "base_url": "the setting",
    "username": "the setting",
    "password": "the setting",
    "api_key": "the setting",
}
_OF_SETTINGS: Final = ("base_url", "username", "password", "api_key")
_KEYS: Final = {"method", "url", "headers", "format", "body", "basic"}


@dataclass(frozen=True, slots=True)
class Template:
    """A request as it is described."""

    method: str
    url: str
    headers: Mapping[str, str]
    format: str
    body: Any
    basic: bool  # Authorization by username and password

    @classmethod
    def read(cls, given: Mapping[str, Any], where: str) -> "Template":
        """Check a description. Raises ValueError that says what is wrong and where."""
        _known(given, _KEYS, where)
        method = str(given.get("method", "POST")).upper()
        if method not in METHODS:
            raise ValueError(f"{where}.method is one of {', '.join(METHODS)}")
        url = given.get("url")
        if not isinstance(url, str) or not url:
            raise ValueError(f"{where}.url is missing, such as {{base_url}}/send")
        headers = given.get("headers", {})
        if not _is_texts(headers):
            raise ValueError(f"{where}.headers is an object of texts")
        kind = given.get("format", "none" if "body" not in given else "json")
        if kind not in FORMATS:
            raise ValueError(f"{where}.format is one of {', '.join(FORMATS)}")
        body = given.get("body")
        if kind == "form" and not _is_texts(body):
            raise ValueError(f"{where}.body of a form is an object of texts")
        if kind in ("xml", "text") and not isinstance(body, str):
            raise ValueError(f"{where}.body of {kind} is a text")
        for text in _texts([url, headers, body]):
            for name in PLACEHOLDER.findall(text):
                if name not in NAMES:
                    raise ValueError(
                        f"{where}: there is no {{{name}}}; there are {', '.join(NAMES)}"
                    )
        return cls(method, url, dict(headers), kind, body, given.get("basic") is True)

    def request(self, values: Mapping[str, str]) -> Request:
        """The request with its places filled."""
        headers = {name: _filled(text, values, str) for name, text in self.headers.items()}
        if self.format != "none":
            headers.setdefault("content-type", FORMATS[self.format])
        if self.basic:
            pair = f"{values['username']}:{values['password']}".encode()
            headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        url = _filled(self.url, values, _in_url)
        return Request(self.method, url, headers, self._body(values))

    def _body(self, values: Mapping[str, str]) -> bytes:
        if self.format == "json":
            return orjson.dumps(_filled_json(self.body, values))
        if self.format == "form":
            return urlencode(
                {name: _filled(text, values, str) for name, text in self.body.items()}
            ).encode()
        if self.format == "xml":
            return _filled(self.body, values, _in_xml).encode()
        return _filled(self.body, values, str).encode() if self.format == "text" else b""


def values_of(
    one: Submission | None, settings: Mapping[str, Any], callback: str, now: datetime
) -> dict[str, str]:
    """What the names stand for; without a message, only those of the settings."""
    found = dict.fromkeys(NAMES, "")
    found |= {name: str(settings.get(name) or "") for name in _OF_SETTINGS}
    found["base_url"] = found["base_url"].rstrip("/")
    if one is None:
        return found
    sender = one.sender or ""
    media = one.content.media if one.content else ()
    return found | {
        "to": one.recipient,
        "to_digits": one.recipient.removeprefix("+"),
        "from": sender,
        "from_digits": sender.removeprefix("+"),
        "text": one.body,
        "text_ucs2": one.body.encode("utf-16-be").hex().upper(),
        "unicode": "true" if one.encoding == "ucs2" else "false",
        "segments": str(one.segments),
        "id": one.message_id.hex,
        "callback": callback,
        "ttl": str(max(1, int((one.expires_at - now).total_seconds()))),
        "expires_at": one.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "category": str(one.priority),
        "media": media[0].url if media else "",
    }


def _filled(text: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return PLACEHOLDER.sub(lambda found: written(values[found[1]]), text)


def _filled_json(given: Any, values: Mapping[str, str]) -> Any:
    """Texts filled; one that is nothing but `{unicode}`, `{segments}`, ... becomes that value."""
    if isinstance(given, dict):
        return {name: _filled_json(value, values) for name, value in given.items()}
    if isinstance(given, list):
        return [_filled_json(value, values) for value in given]
    if not isinstance(given, str):
        return given
    if given == "{unicode}":
        return values["unicode"] == "true"
    if given in ("{segments}", "{ttl}", "{category}"):
        return int(values[given[1:-1]] or 0)
    return _filled(given, values, str)


def _in_url(text: str) -> str:
    # A whole URL stays one: {base_url}.
    return text if text.startswith(("http://", "https://")) else quote(text, safe="")


def _in_xml(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&apos;"})


def _known(given: Mapping[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(set(given) - keys):
        raise ValueError(f"{where} has no {unknown[0]}; it has {', '.join(sorted(keys))}")


def _is_texts(given: Any) -> bool:
    return isinstance(given, dict) and all(isinstance(value, str) for value in given.values())


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, dict):
        given = list(given.values())
    return [text for one in given for text in _texts(one)] if isinstance(given, list) else []
