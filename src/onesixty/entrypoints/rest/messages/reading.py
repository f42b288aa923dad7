"""Reads the bodies of sends into `SendRequest`: pydantic at the door, plain records behind it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from onesixty.carriers.content import Content
from onesixty.entrypoints.rest.answers import field_errors
from onesixty.entrypoints.rest.messages.beside import CHANNELLED, channel_of, content_of, steps_of
from onesixty.entrypoints.rest.messages.send_body import (
    BatchBody,
    BatchMessage,
    PreviewBody,
    Recipient,
    SendBody,
    SharedFields,
)
from onesixty.kit import http
from onesixty.kit.problems import FieldError, Problem
from onesixty.messages.types import Category, Channel, SendRequest, Step
from onesixty.sms.form import FLASH, SILENT, Form, for_ports

_NO_JSON: Final = (b"NaN", b"Infinity")
_NUL: Final = b"\\u0000"  # raw control characters are no JSON
_CATEGORIES: Final = {category.name.lower(): category for category in Category}


class _Beside(NamedTuple):
    """What a message has beside its text."""

    form: Form | None = None
    channel: Channel = Channel.SMS
    content: Content | None = None
    steps: tuple[Step, ...] = ()


_NOTHING: Final = _Beside()
_PLAIN: Final = Form()
_FORMED: Final = frozenset({"data", "udh", "ports", "flash", "message_class", "silent"})
_ANYTHING: Final = _FORMED | CHANNELLED
_SEND = TypeAdapter(SendBody)
_PREVIEW = TypeAdapter(PreviewBody)
_BATCH = TypeAdapter(BatchBody)
_RECIPIENT = TypeAdapter(Recipient)
_MESSAGE = TypeAdapter(BatchMessage)


def read_send(raw: bytes, allow_private_urls: bool) -> tuple[SendRequest, bool]:
    """One message and whether it is a dry run; raises Problem."""
    body: SendBody = _read_one(_SEND, raw)
    if body.callback_url is not None:
        http.check_url(body.callback_url, allow_private=allow_private_urls, pointer="/callback_url")
    beside = _beside(body, body.body, allow_private_urls)
    return _request(body, body.to, body.body or "", body.reference, beside), body.dry_run


def read_preview(raw: bytes, allow_private_urls: bool) -> SendRequest:
    """A message to preview; raises Problem."""
    body: PreviewBody = _read_one(_PREVIEW, raw)
    beside = _beside(body, body.body, allow_private_urls)
    return _request(body, body.to, body.body or "", None, beside)


def read_batch(raw: bytes, allow_private_urls: bool) -> list[SendRequest | Problem]:
    """Every entry of a batch: a request, or what is wrong with it.

    Raises Problem when the body as a whole is wrong.
    """
    body: BatchBody = _read(_BATCH, raw)
    if body.callback_url is not None:
        http.check_url(body.callback_url, allow_private=allow_private_urls, pointer="/callback_url")
    may_have_nul = _NUL in raw
    if may_have_nul and (
        shared := _nul(body.model_dump(by_alias=True, exclude={"recipients", "messages"}))
    ):
        raise shared

    beside = _NOTHING
    if body.recipients is not None:
        beside = _beside(body, body.body, allow_private_urls)

    def read(entry: Any) -> SendRequest | Problem:
        if may_have_nul and (wrong := _nul(entry)):
            return wrong
        if body.recipients is not None:
            return _recipient(body, body.body or "", beside, entry)
        return _message(entry, allow_private_urls)

    return [read(entry) for entry in body.recipients or body.messages or []]


def _recipient(
    shared: SharedFields, text: str, beside: _Beside, entry: Any
) -> SendRequest | Problem:
    try:
        one = _RECIPIENT.validate_python(entry)
    except ValidationError as error:
        return _problem(error)
    return _request(shared, one.to, text, one.reference, beside)


def _message(entry: Any, allow_private_urls: bool) -> SendRequest | Problem:
    try:
        one = _MESSAGE.validate_python(entry)
        if one.callback_url is not None:
            http.check_url(
                one.callback_url, allow_private=allow_private_urls, pointer="/callback_url"
            )
        beside = _beside(one, one.body, allow_private_urls)
    except ValidationError as error:
        return _problem(error)
    except Problem as error:
        return error
    return _request(one, one.to, one.body or "", one.reference, beside)


def _request(
    shared: SharedFields, to: str, body: str, reference: str | None, beside: _Beside
) -> SendRequest:
    send_at: datetime | None = shared.send_at
    request = SendRequest(
        to=to,
        body=body,
        sender=shared.sender,
        category=_CATEGORIES[shared.category],
        send_at=send_at,
        validity_seconds=shared.validity_seconds,
        encoding=shared.encoding,
        smart_encoding=shared.smart_encoding,
        max_segments=shared.max_segments,
        tags=tuple(shared.tags),
        metadata=shared.metadata,
        reference=reference,
        callback_url=shared.callback_url,
    )
    if beside is not _NOTHING:
        request.form, request.channel, request.content, request.steps = beside
    return request


def _beside(given: SharedFields, body: str | None, allow_private: bool) -> _Beside:
    """What the message has beside its text; raises Problem for what contradicts itself."""
    fields = given.model_fields_set
    if body is not None and _ANYTHING.isdisjoint(fields):
        return _NOTHING
    channelled = not CHANNELLED.isdisjoint(fields)
    form = None
    if not _FORMED.isdisjoint(fields):
        form = _form(given, body)
    elif body is None and not channelled:
        raise _wrong("/body", "missing", "give `body`, `data`, `media` or a `template`")
    if not channelled:
        return _Beside(form)
    steps = steps_of(given, allow_private=allow_private)
    if steps and form:
        raise _wrong("/fallback", "contradiction", "binary and formed messages have no fallback")
    content = content_of(given, "", allow_private=allow_private)
    return _Beside(form, channel_of(given), content, steps)


def _form(given: SharedFields, body: str | None) -> Form | None:
    """How the message goes out, None for plain text; raises Problem for what contradicts itself."""
    if body is None and given.data is None and not given.silent:
        raise _wrong("/body", "missing", "give `body`, or `data`")
    if body is not None and given.data is not None:
        raise _wrong("/data", "contradiction", "give either `body` or `data`")
    if given.data is not None and (given.encoding != "auto" or given.smart_encoding):
        raise _wrong("/data", "contradiction", "`data` is not encoded: leave the encoding out")
    if given.udh and given.ports:
        raise _wrong("/ports", "contradiction", "`udh` is the whole header: put the ports into it")
    if given.flash and given.message_class not in (None, FLASH):
        raise _wrong("/message_class", "contradiction", "`flash` is class 0")
    message_class = FLASH if given.flash else given.message_class
    if given.silent and message_class is not None:
        raise _wrong("/silent", "contradiction", "a silent message is never shown: it has no class")
    ports = for_ports(given.ports.destination, given.ports.source) if given.ports else b""
    form = Form(
        udh=given.udh or ports,
        data=given.data,
        message_class=message_class,
        protocol_id=SILENT if given.silent else 0,
    )
    return None if form == _PLAIN else form


def _wrong(pointer: str, code: str, detail: str) -> Problem:
    return Problem("invalid_request", f"{pointer}: {detail}", (FieldError(pointer, code, detail),))


def _read(adapter: TypeAdapter[Any], raw: bytes) -> Any:
    try:
        if any(word in raw for word in _NO_JSON):
            orjson.loads(raw)  # strict where pydantic is not
        return adapter.validator.validate_json(raw)  # without what the adapter puts around it
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", f"Invalid JSON: {error}") from None
    except ValidationError as error:
        raise _problem(error) from None


def _read_one(adapter: TypeAdapter[Any], raw: bytes) -> Any:
    body = _read(adapter, raw)
    if _NUL in raw and (wrong := _nul(body.model_dump(by_alias=True))):
        raise wrong
    return body


def _nul(value: Any) -> Problem | None:
    """What is wrong where a text has U+0000: no database takes it, and no handset shows it."""
    detail = "take the NUL characters (\\u0000) out"
    found = tuple(FieldError(pointer, "nul", detail) for pointer in _nul_pointers(value, ""))
    if not found:
        return None
    return Problem("invalid_request", f"{found[0].pointer or 'body'}: {detail}", found)


def _nul_pointers(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, str) and "\0" in value:
        yield pointer
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _nul_pointers(entry, f"{pointer}/{number}")
    elif isinstance(value, dict):
        for name, entry in value.items():
            if "\0" in name:
                yield pointer
            else:
                escaped = name.replace("~", "~0").replace("/", "~1")
                yield from _nul_pointers(entry, f"{pointer}/{escaped}")


def _problem(error: ValidationError) -> Problem:
    errors = error.errors(include_url=False, include_context=False)
    if errors[0]["type"] == "json_invalid":
        return Problem("malformed_json", errors[0]["msg"])
    found: tuple[FieldError, ...] = field_errors(list(errors), ())
    return Problem(
        "invalid_request",
        "; ".join(f"{one.pointer or 'body'}: {one.detail}" for one in found[:3]),
        found,
    )
