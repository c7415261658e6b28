"""Request bytes of every shape the wire format allows, and some that it does not, from a seed.

Built field by field from the generated descriptors: known fields in any order and number, unknown fields, wrong wire
types, values deep inside values, overlong varints. `mutated` then damages what came out.
"""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from span_writing import Made, body

from collectors.otlp.attributes import ATTRIBUTES, PORTS

NAMES = (*(a.name for a in (*ATTRIBUTES, *PORTS)), "exception.type", "http.status_code", "error.type", "thread.id",
         "", "имя")
TEXTS = ("", "GET", "404", "UNAVAILABLE", "99999", "65535", "08080", "kafka", "orders", "поиск", "receive", "x" * 130,
         "12a", "e\x00f")
TRACE_STATES = ("ot=th:8", "ot=rv:1;th:c0", "es=1,ot=th:0", "ot=th:ffffffffffffff", "ot=th:zz", "xot=th:8", "ot=th:",
                "a=b, ot=th:1", "ot=p:1;th:fffffffffffffff", "ot=ath:8;th:4", "ot=")
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 200, 404, 503, 8080, 9999, 10_000, 65_535, 65_536, (1 << 32) + 1, (1 << 63) - 1,
           (1 << 64) - 1)
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
WIRE = {Field.TYPE_DOUBLE: FIXED64, Field.TYPE_FIXED64: FIXED64, Field.TYPE_FIXED32: FIXED32,
        Field.TYPE_STRING: DELIMITED, Field.TYPE_BYTES: DELIMITED, Field.TYPE_MESSAGE: DELIMITED}
SPAN = "opentelemetry.proto.trace.v1.Span"
DEEPEST = 12


def wild(seed: int) -> bytes:
    """A request; mostly one that the protobuf runtime takes."""
    return _message(Random(seed), ExportTraceServiceRequest.DESCRIPTOR, 0)


def mutated(seed: int) -> bytes:
    """A request with some bytes changed, cut out, put in, cut off, or replaced by another request's."""
    random = Random(seed)
    content = bytearray(_seed_body(random))
    for _ in range(random.choice((1, 1, 1, 2, 5, 20))):
        content = _damage(random, content)
    return bytes(content)


def ordinary(seed: int) -> bytes:
    """A request such as an SDK sends."""
    random = Random(seed)
    made = [Made(random.choice(("shop", "pay")), id_, random.randrange(id_), random.randrange(6),
                 name=random.choice(TEXTS), trace_state=random.choice(("", *TRACE_STATES)), status=random.randrange(3),
                 link=(1, random.randrange(9)) if random.random() < 0.2 else None,
                 attributes={random.choice(NAMES): random.choice((*TEXTS, 5, 404, 8080))
                             for _ in range(random.randrange(8))})
            for id_ in range(1, random.randrange(2, 6))]
    return body(made)


def _seed_body(random: Random) -> bytes:
    return ordinary(random.getrandbits(32)) if random.random() < 0.7 else wild(random.getrandbits(32)) or b"\n"


def _damage(random: Random, content: bytearray) -> bytearray:
    at = random.randrange(len(content) + 1)
    end = at + random.randrange(1, 10)
    way = random.randrange(6)
    if way == 0:
        content[at:at + 1] = bytes([random.randrange(256)])
    elif way == 1 and at < len(content):
        content[at] ^= 1 << random.randrange(8)
    elif way == 2:
        del content[at:end]
    elif way == 3:
        content[at:at] = random.randbytes(end - at)
    elif way == 4:
        del content[at:]
    else:
        other = _seed_body(random)
        content[at:] = other[random.randrange(len(other)):]
    return content


def _message(random: Random, descriptor: Any, depth: int) -> bytes:
    if depth > DEEPEST:
        return b""
    parts = [_field(random, field, depth) for field in _chosen(random, descriptor)]
    while random.random() < 0.08:
        number = random.choice((*range(1, 30), 99, 5000, (1 << 29) - 1))
        parts.append(_encoded(random, number, random.choice((0, 1, 2, 5)), random.randrange(1 << 30), b"unknown"))
    if random.random() < 0.4:
        random.shuffle(parts)
    return b"".join(parts)


def _chosen(random: Random, descriptor: Any) -> list[Any]:
    fields = list(descriptor.fields)
    if descriptor.full_name == SPAN:
        chosen = [field for field in fields if random.random() < 0.8]
        repeated = [field for field in fields if field.is_repeated]
        return chosen + [field for field in repeated for _ in range(random.randrange(5))]
    if descriptor.name == "AnyValue":
        return random.choices(fields, k=random.choice((0, 1, 1, 1, 1, 1, 2)))
    return [field for field in fields
            for _ in range(random.choice((1, 1, 1, 2) if field.is_repeated else (0, 1, 1, 1, 1, 1, 1, 1, 1, 2)))]


def _field(random: Random, field: Any, depth: int) -> bytes:
    wire = WIRE.get(field.type, VARINT)
    if random.random() < 0.01:
        wire = random.choice((0, 1, 2, 5))
    content = b""
    if field.type == Field.TYPE_MESSAGE:
        content = _message(random, field.message_type, depth + 1)
    elif wire == DELIMITED:
        content = _content(random, field)
    return _encoded(random, field.number, wire, random.choice(NUMBERS), content)


def _content(random: Random, field: Any) -> bytes:
    if field.type == Field.TYPE_BYTES:
        return bytes([random.randrange(3)]) * random.choice((16, 16, 16, 8, 8, 8, 0, 3))
    if random.random() < 0.002:
        return random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"abc\xe2\x82", b"\xf4\x90\x80\x80"))
    pool = NAMES if field.name == "key" else TRACE_STATES if field.name == "trace_state" else TEXTS
    return random.choice(pool).encode()


def _encoded(random: Random, number: int, wire: int, value: int, content: bytes) -> bytes:
    tag = _varint(random, number << 3 | wire)
    if wire == VARINT:
        return tag + _varint(random, value)
    if wire == DELIMITED:
        return tag + _varint(random, len(content)) + content
    return tag + (struct.pack("<Q", value) if wire == FIXED64 else struct.pack("<I", value & 0xFFFFFFFF))


def _varint(random: Random, value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    if random.random() < 0.003 and len(out) < 5:
        out[-1] |= 128
        out.append(0)
    return bytes(out)
