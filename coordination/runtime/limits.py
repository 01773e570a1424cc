"""Every bound of the kernel in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

MAX_REQUEST_BYTES: Final = 256 * 1024
"""Largest request body. Larger things belong into the object store."""

MAX_PAGE_BYTES: Final = 512 * 1024
"""Items in one reply to a query that pages (a reply is one NATS message, ``max_payload`` 1 MiB)."""

MAX_REPLY_BYTES: Final = 1000 * 1024
"""Largest reply body; what is left to ``max_payload`` is for headers."""

MAX_RECORD_BYTES: Final = 768 * 1024
"""Largest journal record; one record is one JetStream message (``max_payload`` 1 MiB)."""

MAX_COMMAND_EVENTS_BYTES: Final = 512 * 1024
"""Largest set of events that one command may persist."""

MAX_BATCH_COMMANDS: Final = 64
"""Commands framed into one record (group commit). More would be a little cheaper for each command, but the
first ones of a batch are answered later, and callers and service would take turns instead of working at
the same time: measured with 256 in flight, 64 gives a tenth more than 512 (docs/performance.md)."""

HEAVY_RECORD_BYTES: Final = 24 * 1024
"""Events after which a record takes no more commands, for the same reason: several reports on a hundred tasks
each would be answered together, and their agents would then all work while the service waits."""

MAX_BATCH_TICKS: Final = 8
"""Times that the model is asked, after the commands of a batch, what follows from them: so often at most
that what they lead to is in the same record. What is left over stays due, and goes into the next one."""

MAX_PENDING_COMMANDS: Final = 4096
"""Commands and queries waiting in one host; one more is refused as ``overloaded``."""

MAX_IN_FLIGHT_REQUESTS: Final = 4096
"""Requests that one service process works on at a time."""

MAX_ENDPOINT_REQUESTS: Final = 2048
"""Requests of one endpoint that a process works on at a time, unless the endpoint says otherwise."""

MAX_IN_FLIGHT_RECORDS: Final = 2
"""Records sent to the journal and not yet acknowledged (pipelining)."""

MIN_PIPELINED_COMMANDS: Final = 16
"""Commands that must wait before a record is sent while another one is in flight. Fewer wait for its
acknowledgement, because larger records cost less for each command."""

MIN_PIPELINED_BYTES: Final = 4 * 1024
"""Request bodies that must wait for the same: what `MIN_PIPELINED_COMMANDS` small requests have. A report on
a hundred tasks, or a submission of as many, is work for longer than the acknowledgement takes."""

SNAPSHOT_RECORDS: Final = 20_000
"""Records after which a new snapshot is taken at the latest."""

SNAPSHOT_BYTES: Final = 32 * 1024 * 1024
"""Bytes of records after which a new snapshot is taken, unless the last snapshot was so large that
this would mean writing snapshots most of the time."""

RETRY_SLACK_MS: Final = 10_000
"""How far the clocks of two leaders may differ before a retry could be taken for younger than it is."""

MAX_ANSWERS: Final = 65_536
"""Answered command ids remembered per shard."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of remembered answers per shard."""

MAX_COMMAND_ID_CHARS: Final = 128
"""Length of a command id (header ``Nats-Msg-Id``)."""

MAX_TRACE_CHARS: Final = 256
"""Length of a ``traceparent`` that is handed on (W3C's have 55); a longer one is dropped."""

MAX_REPLY_SUBJECT_CHARS: Final = 512
"""Length of a reply subject that is answered; well below what a server takes on one protocol line."""

REQUEST_TIMEOUT_S: Final = 5.0
"""How long a client waits for one attempt."""

DRAIN_TIMEOUT_S: Final = 5.0
"""How long a stopping service finishes what it has accepted."""

MAX_OUTBOUND_BYTES: Final = 8 * 1024 * 1024
"""Messages kept while the NATS server is away, to be sent when it is back."""

MAX_WAITING_DELIVERIES: Final = 65_536
"""Messages that wait for the handler of one subscription; the next one is dropped (slow consumer)."""

MAX_WAITING_DELIVERY_BYTES: Final = 64 * 1024 * 1024
"""Payload bytes that wait for the handler of one subscription."""

MAX_BUNDLE_PUSHES: Final = 256
"""Pushes in one message: as many tasks as one request may submit or report on. More would save next to
nothing, and whoever reads them would hold up everything else for longer."""

MAX_BUNDLE_BYTES: Final = 128 * 1024
"""Payload of a message with several pushes (``max_payload`` is 1 MiB); a larger push goes alone, as it did.
So what is lost with one message, or waits behind it, is not much more than with the largest single push."""

MAX_CARRIED_BYTES: Final = 4 * 1024
"""Body of a push that a record carries. It is stored with the record, in a header, which JetStream takes up
to 64 KiB; a larger one costs more than the way that it saves."""

TAKER_S: Final = 60.0
"""How long it is believed that an agent takes bundles, after the last request that said so."""

CARRIED_TAKER_S: Final = 10.0
"""As long that it hears what records carry: less, because another program that goes by its name now would
hear nothing at all of that."""

MAX_TAKERS: Final = 65_536
"""Agents known to take every form of push: three times as many as may be registered. Whoever is forgotten
gets each push alone until its next request."""

DUPLICATE_WINDOW_S: Final = 120
"""JetStream's own deduplication of appends by message id."""

assert MAX_COMMAND_EVENTS_BYTES < MAX_RECORD_BYTES < 1024 * 1024
assert MAX_PAGE_BYTES + MAX_REQUEST_BYTES < MAX_REPLY_BYTES < 1024 * 1024
assert MAX_REQUEST_BYTES < MAX_COMMAND_EVENTS_BYTES
assert MAX_BATCH_COMMANDS <= MAX_PENDING_COMMANDS
assert MAX_BUNDLE_BYTES < MAX_REPLY_BYTES
