"""Does to a realtime session what its fault says."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from starlette.types import Message, Receive, Send

from together_emulator.errors import ApiError, ToldError
from together_emulator.fault import SESSION_ERRORS, Fault
from together_emulator.record import Record
from together_emulator.session_events import (
    CANCELLED,
    DELTA,
    DONE,
    RECEIVED,
    UPDATED,
    WORDS,
    SessionEvent,
    done_event,
    dump,
)

_HUGE_CHARACTERS = 64 << 20

# How long no context must have spoken before what they have spoken is sent out of order.
_QUIET_S = 0.1


class FaultySession:
    """Stands between a session and its connection."""

    def __init__(
        self,
        fault: Fault,
        receive: Receive,
        send: Send,
        *,
        record: Record,
        happened: Callable[[], None],
        reset: Callable[[], None],
        stall: Callable[[], None],
    ) -> None:
        self._fault = fault
        self._receive = receive
        self._send = send
        self._record = record
        self._happened = happened
        self._reset = reset
        self._stall = stall
        self._over = asyncio.Event()
        self._is_mute = False
        self._is_stalled = False
        self._has_begun = False
        self._audio_events = 0
        self._audio_bytes = 0
        # The contexts of the items that have begun and not ended, and those of them that are
        # cancelled, or failed with a whole session.
        self._items: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._failed: set[str] = set()
        self._held: dict[str, list[SessionEvent]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._incoming: asyncio.Task[Message] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self) -> Message:
        """The next message of the client, or its end when the fault has ended the session."""
        if self._incoming is None:
            self._incoming = asyncio.ensure_future(self._next())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({self._incoming, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if self._over.is_set():
            return {"type": "websocket.disconnect", "code": 1006}
        message = self._incoming.result()
        self._incoming = None
        if self._is_stalled:
            # To take a message is to read on.
            self._stall()
        self._watch_idleness()
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the session, or what is to come in its place.

        Raises:
            ToldError: Speaking has failed.
        """
        match message["type"]:
            case "websocket.accept" | "websocket.http.response.start":
                await self._pause(self._fault.delay_headers)
                await self._send(message)
            case "websocket.send":
                await self._event(json.loads(message["text"]))
                self._watch_idleness()
            case _ if not self._over.is_set():
                await self._send(message)

    def end(self) -> None:
        """Leave nothing behind that still runs."""
        self._over.set()
        for timer in self._timers.values():
            timer.cancel()
        for task in (*self._tasks, self._incoming):
            if task is not None:
                task.cancel()

    async def _next(self) -> Message:
        return await self._receive()

    async def _event(self, event: SessionEvent) -> None:
        fault = self._fault
        kind = event["type"]
        if kind == CANCELLED:
            self._cancelled |= {
                item for item, context in self._items.items() if context == event["context_id"]
            }
        if not self._has_begun:
            self._has_begun = True
            await self._spoil(event, is_due=fault.at == 0)
        elif kind in (DELTA, DONE, WORDS):
            await self._speech(event)
        elif kind in (UPDATED, RECEIVED, CANCELLED) and fault.no_ack in ("all", kind):
            self._happened()
        else:
            await self._write(event)

    async def _speech(self, event: SessionEvent) -> None:
        fault = self._fault
        kind, item = event["type"], event["item_id"]
        is_first = item not in self._items
        self._items[item] = event["context_id"]
        if kind == DELTA:
            await self._pause(fault.delay_chunks if self._audio_events else fault.delay_audio)
        if item in self._failed:
            raise ToldError
        done = done_event(event["context_id"], item)
        if kind == DONE:
            del self._items[item]
            if fault.done == "none" or (fault.done == "early" and not is_first):
                self._happened()
                return
        elif fault.done == "early" and is_first:
            await self._deliver(done)
        if kind != DELTA:
            await self._deliver(event)
            return
        self._audio_events += 1
        await self._spoil(event, is_due=self._audio_events == fault.at)
        if fault.done == "many":
            self._happened()
            await self._deliver(done)

    async def _spoil(self, event: SessionEvent, *, is_due: bool) -> None:
        """Send the first event or one with audio, or do to it what is due."""
        fault = self._fault
        if not is_due:
            await self._deliver(event)
            return
        if fault.error_event is not None:
            await self._error(event)
        elif fault.malformed_event:
            self._happened()
            await self._write_text(dump(event)[:-2])
        elif fault.bad_base64:
            self._happened()
            await self._write({**event, "delta": event["delta"] + "*"})
        elif fault.frame is not None:
            self._happened()
            await self._frame(event)
        elif fault.idle or not await self._end_connection():
            await self._deliver(event)
            return
        if not fault.idle:
            await self._end_connection()

    async def _error(self, event: SessionEvent) -> None:
        fault = self._fault
        assert fault.error_event is not None  # noqa: S101
        self._happened()
        error = SESSION_ERRORS[fault.error_event](ApiError(500, fault.message))
        context = event.get("context_id")
        if context is not None and not fault.unnamed:
            error["context_id"] = context
        if event["type"] != DELTA:
            await self._write(error)
            await self._close(fault.close or 1008)
            return
        self._items.pop(event["item_id"])
        if fault.unnamed:
            self._failed |= self._items.keys()
        await self._write(error)
        if not fault.idle:
            await self._end_connection()
        raise ToldError

    async def _frame(self, event: SessionEvent) -> None:
        audio = base64.b64decode(event.get("delta", ""))
        match self._fault.frame:
            case "binary":
                await self._write_message(bytes=audio or dump(event).encode())
            case "huge":
                await self._write({**event, "delta": "A" * _HUGE_CHARACTERS})
            case "list":
                await self._write_text("[1]")
            case "no-audio":
                await self._write({name: event[name] for name in event if name != "delta"})
            case "odd":
                await self._write({**event, "delta": _encoded(audio[:-1])})
            case "stray":
                await self._write({**event, "context_id": "nobody", "item_id": "tts_0"})
                await self._deliver(event)
            case _:
                await self._write({"type": "conversation.item.emulated", "event_id": "evt_0"})
                await self._deliver(event)

    async def _deliver(self, event: SessionEvent) -> None:
        """Send an event now or later, as far as the connection is to last."""
        fault = self._fault
        context, item = event.get("context_id"), event.get("item_id")
        if fault.late_audio and item in self._cancelled:
            self._happened()
            late = partial(self._write_audio, event)
            self._later(f"late {len(self._timers)}", fault.late_audio, late)
        elif fault.out_of_order and context is not None:
            self._held.setdefault(context, []).append(event)
            self._later("quiet", _QUIET_S, self._release)
        else:
            await self._write_audio(event)

    async def _release(self) -> None:
        held, self._held = self._held, {}
        if len(held) > 1:
            self._happened()
        for context in reversed(held):
            for event in held[context]:
                await self._write_audio(event)

    async def _write_audio(self, event: SessionEvent) -> None:
        fault = self._fault
        limits = [limit for limit in (fault.cut, fault.abort) if limit is not None]
        if not limits or event["type"] != DELTA:
            await self._write(event)
            return
        audio = base64.b64decode(event["delta"])
        left = min(limits) - self._audio_bytes
        self._audio_bytes += len(audio)
        if left > len(audio):
            await self._write(event)
            return
        if left > 0:
            await self._write({**event, "delta": _encoded(audio[:left])})
        if fault.abort is not None:
            self._happened()
            self._record.settle("broken")
            self._over.set()
            self._reset()
        else:
            await self._close(fault.close or 1006)

    async def _end_connection(self) -> bool:
        """Close, fall silent or stall, if the fault says so and not when."""
        fault = self._fault
        if fault.close is not None and fault.cut is None:
            await self._close(fault.close)
        elif fault.silence or fault.stall:
            self._happened()
            self._is_mute = True
            if fault.stall:
                self._is_stalled = True
                self._stall()
        else:
            return False
        return True

    async def _close(self, code: int) -> None:
        if self._over.is_set() or self._is_mute:
            return
        self._happened()
        self._record.settle("broken")
        self._is_mute = True
        # Without a word the server closes the connection of a session that returns.
        if code != 1006:
            # What a frame has room for.
            reason = self._fault.message.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        self._over.set()

    async def _write(self, event: SessionEvent) -> None:
        await self._write_text(dump(event))

    async def _write_text(self, text: str) -> None:
        await self._write_message(text=text)

    async def _write_message(self, **content: str | bytes) -> None:
        if not self._over.is_set() and not self._is_mute:
            await self._send({"type": "websocket.send", **content})

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the session ends."""
        if seconds and not self._over.is_set():
            self._happened()
            over = asyncio.create_task(self._over.wait())
            try:
                await asyncio.wait({over}, timeout=seconds)
            finally:
                over.cancel()

    def _watch_idleness(self) -> None:
        if self._fault.idle and self._has_begun and not self._is_mute:
            self._later("idle", self._fault.idle, self._end_connection)

    def _later(
        self, name: str, seconds: float, do: Callable[[], Coroutine[Any, Any, object]]
    ) -> None:
        """Do something after a while, unless it is put off or the session ends."""

        def start() -> None:
            task = asyncio.ensure_future(self._quietly(do))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, start)

    async def _quietly(self, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await do()
        except OSError:
            # The client has gone away, which whoever receives finds out.
            self._over.set()


def _encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode("ascii")
