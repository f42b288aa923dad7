"""Arrays as PostgreSQL takes and gives them in binary (`array_recv` in its source).

Batches travel as one array a column, for `unnest`. asyncpg puts an array together by several calls
for each element, which was the largest single cost of the walk in Python; here a column is put
together at once.
"""

import contextlib
import functools
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

JSONB: Final = 3802
_HEAD: Final = struct.Struct(">iiIii")  # dimensions, flags, type of element, length, first index
_LENGTH: Final = struct.Struct(">i")  # before each element
_pack: Final = _LENGTH.pack
_NULL: Final = _pack(-1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL
_MICROSECOND: Final = timedelta(microseconds=1)
# What says that a value cannot be an element.
_REFUSED: Final = (TypeError, ValueError, AttributeError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of arrays. An element is sent as its length in 4 octets and its value."""

    name: str
    oid: int  # this and the next as in pg_type.dat
    element_oid: int
    one: Callable[[Any], bytes]  # an element that is not NULL
    many: Callable[[Sequence[Any]], bytes]  # all of them; some refuse what has NULL among it
    read: Callable[[bytes], Any]  # a value, without its length
    equal_is_same: bool = True  # equal values are sent as the same octets

    def encode(self, values: list[Any] | tuple[Any, ...]) -> bytes:
        """An array of one dimension; ValueError tells which element cannot be one."""
        if not isinstance(values, (list, tuple)):
            raise TypeError(f"a list or a tuple expected, got {type(values).__name__}")
        if not values:
            return _HEAD.pack(0, 0, self.element_oid, 0, 0)[:12]
        count, first = len(values), values[0]
        try:
            # Many columns of a batch hold the same value over and over.
            if self.equal_is_same and values[-1] == first and values.count(first) == count:
                elements = self.one(first) * count
            else:
                elements = self.many(values)
        except _REFUSED:
            elements = b"".join(self._one_by_one(values))
        return _HEAD.pack(1, 0, self.element_oid, count, 1) + elements

    def decode(self, data: bytes) -> list[Any]:
        """The elements of an array of no or one dimension; ValueError when it has more."""
        if _LENGTH.unpack_from(data)[0] > 1:
            raise ValueError("an array of more than one dimension")
        found: list[Any] = []
        at = _HEAD.size
        while at < len(data):
            size = _LENGTH.unpack_from(data, at)[0]
            at += 4
            found.append(None if size < 0 else self.read(data[at : at + size]))
            at += max(size, 0)
        return found

    def _one_by_one(self, values: Sequence[Any]) -> Iterator[bytes]:
        for index, value in enumerate(values):
            try:
                yield _NULL if value is None else self.one(value)
            except _REFUSED as error:
                raise ValueError(f"invalid array element at index {index}: {error}") from None


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """The columns of rows, as arrays for `unnest`.

    A column of nothing but NULL becomes an empty array, which `unnest` fills up with NULL: most
    columns of most batches, and each element costs on both sides.
    """
    if not rows:
        return [()] * width
    count = len(rows)
    return [
        () if column[0] is None and column.count(None) == count else column
        for column in zip(*rows, strict=True)
    ]


def json(value: Any) -> bytes:
    """A value of jsonb as it is sent: the version of its form, then text."""
    return b"\x01" + orjson.dumps(value)


def from_json(data: bytes) -> Any:
    """The value of a jsonb."""
    return orjson.loads(data[1:])


def _integer(code: str) -> Callable[[int], bytes]:
    form = struct.Struct(">i" + code)
    return functools.partial(form.pack, form.size - 4)


def _to_integer(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


# Integers are laid out in the machine's order and turned at once.
_SMALLINT: Final = array("h", (0, 2, 0))  # an element: two words of the length, one of the value
_INT: Final = array("i", (4, 0))


def _smallints(values: Sequence[int]) -> bytes:
    elements = _SMALLINT * len(values)
    elements[2::3] = array("h", values)
    return _big_endian(elements)


def _ints(values: Sequence[int]) -> bytes:
    elements = _INT * len(values)
    elements[1::2] = array("i", values)
    return _big_endian(elements)


_bigint: Final = _integer("q")


def _bigints(values: Sequence[int]) -> bytes:
    return b"".join(map(_bigint, values))


def _big_endian(numbers: "array[int]") -> bytes:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def _boolean(value: bool) -> bytes:
    if not isinstance(value, bool):
        raise TypeError(f"a boolean expected, got {type(value).__name__}")
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _booleans(values: Sequence[bool]) -> bytes:
    return b"".join(map(_boolean, values))


_UUID_LENGTH: Final = _pack(16)
_UUID_BYTES: Final = attrgetter("bytes")


def _uuid(value: UUID | str) -> bytes:
    return _UUID_LENGTH + (UUID(value) if isinstance(value, str) else value).bytes


def _uuids(values: Sequence[UUID]) -> bytes:
    return _UUID_LENGTH + _UUID_LENGTH.join(map(_UUID_BYTES, values))


@functools.lru_cache(maxsize=4096)
def _moment(value: datetime | None) -> bytes:
    # Batches hold few different times, and each takes 1 us.
    if value is None:
        return _NULL
    return struct.pack(">iq", 8, (value - _EPOCH) // _MICROSECOND)


def _moments(values: Sequence[datetime | None]) -> bytes:
    return b"".join(map(_moment, values))


def _to_moment(data: bytes) -> datetime:
    microseconds: int = struct.unpack(">q", data)[0]
    return _EPOCH + timedelta(microseconds=microseconds)


_LENGTHS: Final = [_pack(length).decode("latin-1") for length in range(1024)]


def _text(value: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"a text expected, got {type(value).__name__}")
    return _blob(value.encode())


def _texts(values: Sequence[str | None]) -> bytes:
    with contextlib.suppress(TypeError, IndexError):  # NULL, or a very long one
        if (elements := _ascii(values)) is not None:  # type: ignore[arg-type]
            return elements
    return b"".join(
        [
            _NULL if value is None else _pack(len(octets := value.encode())) + octets
            for value in values
        ]
    )


def _ascii(texts: Sequence[str]) -> bytes | None:
    # Lengths and texts as one text, which is faster than octets; None: something is not ASCII.
    lengths = list(map(len, texts))
    first = _LENGTHS[lengths[0]]
    if lengths.count(lengths[0]) == len(lengths):  # numbers, ids
        joined = first.join(texts)
        return (first + joined).encode() if joined.isascii() else None
    if not "".join(texts).isascii():
        return None
    mixed = [""] * (2 * len(lengths))
    mixed[::2] = map(_LENGTHS.__getitem__, lengths)
    mixed[1::2] = texts
    return "".join(mixed).encode("latin-1")


def _blob(value: bytes) -> bytes:
    return _pack(len(value)) + value


def _blobs(values: Sequence[bytes | None]) -> bytes:
    return b"".join([_NULL if value is None else _pack(len(value)) + value for value in values])


def _document(value: Any) -> bytes:
    return _blob(json(value))


def _documents(values: Sequence[Any]) -> bytes:
    return b"".join(
        [
            _NULL if value is None else _pack(len(text := orjson.dumps(value)) + 1) + b"\x01" + text
            for value in values
        ]
    )


KINDS: Final = (
    Kind("_bool", 1000, 16, _boolean, _booleans, lambda data: data == b"\1"),
    Kind("_bytea", 1001, 17, _blob, _blobs, bytes),
    Kind("_int2", 1005, 21, _integer("h"), _smallints, _to_integer),
    Kind("_int4", 1007, 23, _integer("i"), _ints, _to_integer),
    Kind("_int8", 1016, 20, _bigint, _bigints, _to_integer),
    Kind("_text", 1009, 25, _text, _texts, bytes.decode),
    Kind("_timestamptz", 1185, 1184, _moment, _moments, _to_moment),
    Kind("_uuid", 2951, 2950, _uuid, _uuids, pgproto.UUID),
    Kind("_jsonb", 3807, JSONB, _document, _documents, from_json, equal_is_same=False),
)
