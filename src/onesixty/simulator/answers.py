"""How a submit is answered: at once and right, unless the faults say otherwise."""

import random
from collections.abc import Mapping
from functools import partial

from onesixty.simulator.agenda import Agenda
from onesixty.simulator.faults import Faults, LinkDrop
from onesixty.simulator.statistics import Statistics
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import RESPONSE_BIT, FieldValue, Pdu, Tlv
from onesixty.smpp.server import ServerLink

UNKNOWN_TLVS = (Tlv(0x2FFF, b"simulator"), Tlv(0x4ABC, b"\x01\x02\x03"), Tlv(0x00FE, b""))
_FIRST_VERSION_WITH_TLVS = 0x34
_WRONG_BY = 1_000_003  # far from any sequence_number that may be open

Fields = Mapping[str, FieldValue]


class Answers:
    """Writes the answers of all links under one set of faults."""

    def __init__(
        self, faults: Faults, agenda: Agenda, chance: random.Random, statistics: Statistics
    ) -> None:
        self._faults, self._agenda, self._chance = faults, agenda, chance
        self._statistics = statistics
        self._drops = faults.drop_answers.draws(chance)
        self._late = faults.late_answers.draws(chance)
        self._repeats = faults.duplicate_answers.draws(chance)
        self._misnumbers = faults.wrong_sequence.draws(chance)
        self._at_once = not (self._drops or self._late or faults.answer_delay_seconds.most)
        self._faithful = not (
            self._repeats or self._misnumbers or faults.split_writes or faults.unknown_tlvs
        )

    def give(
        self, link: ServerLink, request: Pdu, status: int, fields: Fields | None
    ) -> float | None:
        """Answer a submit; how many seconds later that happens, None for never."""
        if self._at_once:
            self._write(link, request, status, fields)
            return 0.0
        if self._drops and self._drops():
            self.withhold(link, request)
            return None
        if self._late and self._late():
            link.forget(request)  # else enough of them would stop the link from being read
            late = self._faults.late_answer_seconds
            self._agenda.after(late, partial(self._write_forgotten, link, request, status, fields))
            return late
        delay = self._faults.answer_delay_seconds.draw(self._chance)
        if delay:
            self._agenda.after(delay, partial(self._write, link, request, status, fields))
        else:
            self._write(link, request, status, fields)
        return delay

    def withhold(self, link: ServerLink, request: Pdu) -> None:
        """Never answer this submit."""
        self._statistics.answers_dropped += 1
        link.forget(request)

    def break_link(
        self, link: ServerLink, request: Pdu, status: int, fields: Fields | None
    ) -> None:
        """Lose the connection at the answer to this submit."""
        self._statistics.links_broken += 1
        when = self._faults.drop_link_when
        if when is LinkDrop.BEFORE_ANSWER:
            link.abort()
            return
        if when is LinkDrop.AFTER_ANSWER:
            self._write(link, request, status, fields)
        else:
            frame = encode(_answer(request, status, fields))
            link.write_raw(frame[: len(frame) // 2])
        link.close("the simulator breaks this link")

    def _write(self, link: ServerLink, request: Pdu, status: int, fields: Fields | None) -> None:
        if self._faithful:
            self._statistics.answers += 1
            link.respond(request, status, fields)
        else:
            link.forget(request)
            self._write_forgotten(link, request, status, fields)

    def _write_forgotten(
        self, link: ServerLink, request: Pdu, status: int, fields: Fields | None
    ) -> None:
        """Write an answer that the link does not wait for, with all that may be wrong with it."""
        self._statistics.answers += 1
        answer = _answer(request, status, fields)
        if self._faults.unknown_tlvs and link.version >= _FIRST_VERSION_WITH_TLVS:
            answer.tlvs.extend(UNKNOWN_TLVS)
        if self._misnumbers and self._misnumbers():
            answer.sequence = (request.sequence + _WRONG_BY) & 0x7FFFFFFF
        frame = encode(answer)
        if self._repeats and self._repeats():
            frame += frame
        if self._faults.split_writes:
            link.write_octets(frame)
        else:
            link.write_raw(frame)


def _answer(request: Pdu, status: int, fields: Fields | None) -> Pdu:
    return Pdu(request.command | RESPONSE_BIT, status, request.sequence, dict(fields or {}))
