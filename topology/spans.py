"""A batch of spans as columns: what every decoder of spans fills and pairing reads.

Two 64-byte lines a span, so that a kernel touches two cache lines and no more. Strings are numbers of the
decoder's Interner; resources (who sent the span) are numbers of a second Interner over their raw bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# wide: int64 columns
TRACE, SPAN, PARENT, START, END, LINK_TRACE, LINK_SPAN, WEIGHT = range(8)
"""TRACE mixes the 128-bit trace id into 64; START and END are epoch nanoseconds; WEIGHT holds the bits of a
float64, 0.0 where the span carries no sampling threshold."""

# narrow: int32 columns
(RESOURCE, NAME, KIND, PEER_SERVICE, ADDRESS, DB_SYSTEM, DB_NAMESPACE, MESSAGING_SYSTEM, DESTINATION,
 MESSAGING_OPERATION, RPC_SYSTEM, HTTP_STATUS, GRPC_STATUS, ERROR_TYPE, RESPONSE_FLAGS, OFFSET) = range(16)
"""KIND packs kind (3 bits), status (2 bits from bit 3), whether HTTP attributes were seen (bit 5) and the port of the
address (16 bits from bit 8), 0 where none was read.
HTTP_STATUS and GRPC_STATUS are numbers plus one, 0 where absent. OFFSET is where the span's length prefix
stands in its request."""

UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(6)
STATUS_UNSET, STATUS_OK, STATUS_ERROR = range(3)
STATUS_SHIFT = 3
HTTP_SEEN = 1 << 5
PORT_SHIFT, LAST_PORT = 8, (1 << 16) - 1

GRPC_NAMES = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
              "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
              "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED")
RECEIVING = ("receive", "settle", "poll")
RESERVED = (*GRPC_NAMES, *RECEIVING)
"""Strings interned first, so that kernels know their numbers: gRPC code c is c + 1, the receiving
operations of messaging follow."""
FIRST_RECEIVING = len(GRPC_NAMES) + 1
LAST_RECEIVING = len(RESERVED)
FIRST_CONFIGURED = LAST_RECEIVING + 1


class SpanColumns:
    """Columns with room for `capacity` spans; `used` of them are filled. Reused from request to request.

    `addresses` are those of the wide and the narrow columns, for kernels.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self.used = 0
        self._allocate(capacity)

    def _allocate(self, capacity: int) -> None:
        # One line more than needed, so that rows can start on a cache line.
        self._room = np.zeros(capacity * 128 + 64, np.uint8)
        start = -self._room.ctypes.data % 64
        rows = self._room[start : start + capacity * 128]
        self.wide: npt.NDArray[np.int64] = rows[: capacity * 64].view(np.int64).reshape(capacity, 8)
        self.narrow: npt.NDArray[np.int32] = rows[capacity * 64 :].view(np.int32).reshape(capacity, 16)
        self.addresses = int(self.wide.ctypes.data), int(self.narrow.ctypes.data)

    @property
    def capacity(self) -> int:
        """How many spans fit."""
        return len(self.wide)

    def grow(self) -> None:
        """Twice the room; what was in the columns is gone."""
        self.used = 0
        self._allocate(self.capacity * 2)
