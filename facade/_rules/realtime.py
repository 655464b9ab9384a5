"""The realtime protocol, without input or output: frames and times in, frames and audio out.

A `Session` is one WebSocket connection. A shell owns the socket, the clock and the waiting:

- It sends what `frames_to_send` gives, whenever it has called anything else here.
- It hands every frame that comes to `receive`, and wakes whoever listens to the utterances that
  come back: `Utterance.take` gives the audio, and `Utterance.is_over` and `error` its end.
- It calls `tick` at `next_tick`, after everything that has arrived was handed in.
- It calls `pause` and `resume` around any time in which it does not read the socket, as when too
  much audio waits to be taken: that time is not the service's.
- When the connection is gone, it calls `connection_lost`, and gives what may be spoken again to
  `adopt` of another session.

All calls of one session must come one at a time. Times are seconds of any one clock.

**Ids of contexts.** The service takes 100 contexts on a connection, so ids are used again, and
audio of a cancelled context may still come after `context.cancelled`. Four things keep it from the
next utterance of that id. An id never used comes first, then the one that is free the longest. An
id that may still be spoken for (interrupted, failed, ended by quiet) rests for `rest_s` after the
last sign of it; meanwhile `free_at` says when there is one, and a shell may open another
connection. Audio before the first text of the new utterance was sent is the old one's. So is an
item that the old one had, unless ids of items are seen to repeat on this connection.

**Events without a context.** That the service names the context in its events is assumed. Audio
without one belongs to the context of its item, or else to the only one that can speak. Such a
connection takes one utterance at a time, and none after one that may still be spoken for.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from facade._rules.audio_events import (
    AUDIO,
    UNREADABLE,
    WORDS,
    EventFields,
    decode_base64,
    place_of_audio,
    read_event,
    read_object,
    read_whole_event,
    read_words,
)
from facade._rules.error_mapping import (
    empty_audio,
    excerpt,
    failure_in_event,
    is_name_of_error,
    speaks_of_error,
)
from facade._rules.heard import Ending, Heard
from facade._rules.realtime_settings import RealtimeLimits, RealtimeSettings
from facade._rules.request import check_token
from facade._rules.sse import MAX_EVENT_BYTES
from facade._rules.text_gathering import LONGEST_PIECE, TextGatherer
from facade._rules.utterance import Utterance
from facade.errors import (
    APITimeoutError,
    MalformedStreamError,
    SpeechError,
    StreamInterruptedError,
)

_CREATED = "session.created"
_UPDATED = "session.updated"
_RECEIVED = "conversation.item.input_text.received"
_DONE = "conversation.item.audio_output.done"
_CANCELLED = "context.cancelled"

_CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1006: "no close frame came",
    1007: "invalid data",
    1008: "policy violation",
    1009: "a message was too big",
    1011: "internal error",
    1012: "restarting",
    1013: "try again later",
    4503: "no healthy workers",
}


class LostUtterances(NamedTuple):
    """What becomes of the utterances of a lost connection.

    Attributes:
        failed: Audio of these had come; each has its error.
        unspoken: No audio of these had come. Each must be adopted by another session, or failed.
    """

    failed: list[Utterance]
    unspoken: list[Utterance]


class _Rest(msgspec.Struct, kw_only=True):
    """An id of a context that nobody has now.

    Attributes:
        free_at: When it may be used again.
        is_doubtful: Whether audio of its last utterance may still come.
        items: The items of that utterance.
    """

    free_at: float = 0.0
    is_doubtful: bool = False
    items: frozenset[object] = frozenset()


class _Context(msgspec.Struct, eq=False):
    """A context of the service that speaks an utterance.

    Attributes:
        id: Its id.
        utterance: What it speaks.
        text: The text that is still to be sent.
        before: What is known of the utterance that had the id before.
        is_changed: Whether it has settings of its own, which only a cancel takes away again.
        is_known: Whether the service may know of it: a frame has left.
        is_sent: Whether a frame with text has left.
        committed_at: When its commit left.
        due_at: When the utterance is at its end, or late, if nothing more comes; `None` where that
            is to be worked out.
    """

    id: str
    utterance: Utterance
    text: TextGatherer
    before: _Rest
    is_changed: bool = False
    is_known: bool = False
    is_sent: bool = False
    committed_at: float | None = None
    appends: int = 0
    sent_letters: int = 0
    acknowledgements: int = 0
    acknowledged_letters: int = 0
    last_sign_at: float = 0.0
    due_at: float | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the service has acknowledged all text: message by message, or as one."""
        is_all = self.acknowledged_letters >= self.sent_letters
        return is_all or self.acknowledgements >= self.appends


class Session:
    """One realtime connection.

    Attributes:
        is_ready: Whether the service has said `session.created`; no frame goes out before.
        failure: Why the session cannot be used, if it cannot.
        settings: What the session is asked for.
    """

    def __init__(
        self,
        settings: RealtimeSettings,
        *,
        limits: RealtimeLimits | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Begin a connection.

        Args:
            settings: What the URL's query asks for.
            limits: How long to wait.
            headers: Those of the handshake's answer, names in lower case, for the ids in errors.
        """
        self.settings = settings
        self.is_ready = False
        self.failure: SpeechError | None = None
        self._limits = limits or RealtimeLimits()
        self._headers = headers or {}
        self._speaking: dict[Utterance, _Context] = {}
        # By id: the contexts that speak, and the ids that were used, the longest free first.
        self._contexts: dict[str, _Context] = {}
        self._resting: dict[str, _Rest] = {}
        self._outgoing: deque[tuple[_Context, dict[str, object]]] = deque()
        self._event_number = 0
        self._paused_at: float | None = None
        self._paused_s = 0.0
        # What this service is seen to do.
        self._acknowledges = False
        self._reports_done = False
        self._names_contexts = True
        self._repeats_items = False

    # --- utterances ------------------------------------------------------------------------------

    @property
    def utterances(self) -> list[Utterance]:
        """The utterances that are not at their end."""
        return list(self._speaking)

    def free_at(self, now: float) -> float | None:
        """Return when an utterance can be opened: `now`, or later.

        Returns:
            A time, or `None` where another utterance must end first. Where none is open, this
            connection takes no more, and another must be opened.
        """
        if self.failure is not None:
            return None
        if not self._names_contexts:
            may_speak = self._speaking or any(rest.is_doubtful for rest in self._resting.values())
            return None if may_speak else now
        if len(self._contexts) + len(self._resting) < self._limits.contexts:
            return now
        clock = self._clock(now)
        if any(rest.free_at <= clock for rest in self._resting.values()):
            return now
        if self._paused_at is not None:
            # Meanwhile no id gets free.
            return None
        free_at = min((rest.free_at for rest in self._resting.values()), default=None)
        return None if free_at is None else self._real(free_at)

    def open(self, now: float, settings: RealtimeSettings | None = None) -> Utterance:
        """Open an utterance, when `free_at` says that it can be.

        Args:
            now: The time.
            settings: Those of this turn, by `RealtimeSettings.for_turn`.

        Raises:
            SpeechError: It cannot be.
        """
        utterance = Utterance(settings or self.settings)
        self._attach(utterance, now)
        return utterance

    def adopt(self, utterance: Utterance, now: float) -> None:
        """Go on with an utterance of a lost connection of which no audio had come.

        Its text is sent again; its commit too, if there was one.

        Raises:
            SpeechError: As by `open`.
        """
        self._attach(utterance, now)
        utterance.forget()
        context = self._speaking[utterance]
        for piece in context.text.feed(utterance.text, now):
            self._append(context, piece)
        if utterance.has_all_text:
            self.end_text(utterance, now)

    def append(self, utterance: Utterance, token: str, now: float) -> None:
        """Take in a token of the text. After the utterance's end it means nothing.

        Raises:
            InvalidRequestError: It is no string, or has what cannot be sent.
        """
        check_token(token)
        if utterance.is_over:
            return
        utterance.add_text(token)
        # Between two connections, the text waits for the next one.
        if context := self._speaking.get(utterance):
            for piece in context.text.feed(token, now):
                self._append(context, piece)

    def end_text(self, utterance: Utterance, now: float) -> None:
        """Say that the text is whole. It ends the utterance where there is nothing to speak."""
        utterance.has_all_text = True
        if context := self._speaking.get(utterance):
            for piece in context.text.finish():
                # Spaces behind the last word are nothing to speak.
                if not piece.isspace():
                    self._append(context, piece)
            if utterance.text.strip():
                self._send(context, "input_text_buffer.commit")
            else:
                self._end(context, "no text", now)

    def interrupt(self, utterance: Utterance, now: float, played_s: float | None = None) -> Heard:
        """End an utterance at once: none of its audio is given out from now on.

        Args:
            utterance: The utterance. One that is at its end may be interrupted too: its audio may
                still be waiting, or playing.
            now: The time.
            played_s: Seconds of its audio that were played; by default all that was taken.

        Returns:
            What was heard of it.
        """
        heard = utterance.heard(played_s)
        context = self._speaking.get(utterance)
        if context is not None:
            self._end(context, "interrupted", now)
        elif utterance.waiting_bytes or not utterance.is_over:
            utterance.end("interrupted")
        return heard

    def fail(self, utterance: Utterance, error: SpeechError | None, now: float) -> None:
        """End an utterance as failed, here and at the service; audio that has come stays.

        Args:
            utterance: The utterance.
            error: Why. `None` where whoever listens is told by other means.
            now: The time.
        """
        context = self._speaking.get(utterance)
        if context is not None:
            self._end(context, "failed", now, error)
        elif not utterance.is_over:
            utterance.end("failed", error)

    # --- the connection --------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """How many frames `frames_to_send` would give."""
        return len(self._outgoing)

    def frames_to_send(self, now: float) -> list[str]:
        """Give the text frames that are to be sent now, in order."""
        frames = []
        while self._outgoing and self.is_ready:
            context, frame = self._outgoing.popleft()
            self._sent(context, frame, self._clock(now))
            frames.append(msgspec.json.encode(frame).decode())
        return frames

    def receive(self, frame: bytes | str, now: float) -> list[Utterance]:
        """Take in a frame.

        Returns:
            The utterances of which there is news: audio, words, or their end.
        """
        self._event_number += 1
        data = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
        if len(data) > MAX_EVENT_BYTES:
            how = f"it is larger than {MAX_EVENT_BYTES} bytes"
            return self._fail_all(lambda heard: self._malformed(how, heard), now)
        try:
            read = read_whole_event if b"\\" in data else read_event
            fields, audio = read(data, _FIELDS)
        except UNREADABLE as error:
            how = f"it is no JSON object: {error}: {excerpt(data.decode(errors='replace'))!r}"
            return self._fail_all(lambda heard: self._malformed(how, heard), now)
        if not isinstance(fields.item_id, str | int):
            fields.item_id = None
        if audio is not msgspec.UNSET:
            return self._take_audio(fields, audio, now)
        return self._take(fields, data, now)

    def note_arrival(self, now: float) -> None:
        """Take note that a frame has come in part: no utterance that has audio is at its end."""
        for context in self._speaking.values():
            if context.utterance.audio_bytes:
                context.last_sign_at = self._clock(now)
                context.due_at = None

    def unreadable(self, how: str, now: float) -> list[Utterance]:
        """Say that something came that is no event, and that the connection ends with it.

        Returns:
            The utterances of which there is news: all of them have failed.
        """
        self._event_number += 1
        return self._fail_all(lambda heard: self._malformed(how, heard), now)

    def tick(self, now: float) -> list[Utterance]:
        """Do what is due: send held text, end what is whole, fail what is late.

        Returns:
            The utterances of which there is news.
        """
        news = []
        clock = self._clock(now)
        for utterance, context in list(self._speaking.items()):
            for piece in context.text.due(now):
                self._append(context, piece)
            if self._paused_at is not None or clock < self._due_at(context):
                continue
            self._judge(context, now)
            if not utterance.is_over:
                self._end(context, "failed", now, self._timeout(context))
            news.append(utterance)
        return news

    def next_tick(self) -> float | None:
        """Return when `tick` is due, or `None` where nothing is."""
        times = [
            context.text.due_at
            for context in self._speaking.values()
            if context.text.due_at is not None
        ]
        if self._paused_at is None:
            due_at = min(map(self._due_at, self._speaking.values()), default=_NEVER)
            times += [self._real(due_at)] if due_at < _NEVER else []
        return min(times, default=None)

    def pause(self, now: float) -> None:
        """Stop the clock for what the service owes: its frames are not being read."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, now: float) -> None:
        """Go on after `pause`."""
        if self._paused_at is not None:
            self._paused_s += now - self._paused_at
            self._paused_at = None

    def connection_lost(
        self, why: str, now: float, *, cause: BaseException | None = None
    ) -> LostUtterances:
        """Say that the connection is gone. The session takes no more utterances.

        Args:
            why: What happened, such as `close_reason` gives.
            now: The time.
            cause: The exception underneath.
        """
        lost = LostUtterances([], [])
        if self.failure is None:
            self.failure = StreamInterruptedError(why, bytes_received=0, **self._ids())
            self.failure.__cause__ = cause
        for utterance, context in list(self._speaking.items()):
            if not utterance.audio_bytes:
                del self._speaking[utterance]
                lost.unspoken.append(utterance)
                continue
            error = self.interrupted(why, utterance)
            error.__cause__ = cause
            self._end(context, "failed", now, error)
            lost.failed.append(utterance)
        self._outgoing.clear()
        return lost

    # --- sending ---------------------------------------------------------------------------------

    def _attach(self, utterance: Utterance, now: float) -> None:
        free_at = self.free_at(now)
        if free_at is None or free_at > now:
            open_now = f"{len(self._speaking)} utterances are open"
            raise SpeechError(f"this connection takes no other utterance now: {open_now}")
        context_id, before = self._free_id(self._clock(now))
        text = TextGatherer(self._limits.hold_s)
        context = _Context(context_id, utterance, text, before)
        self._contexts[context_id] = self._speaking[utterance] = context
        changes = self.settings.changes_to(utterance.settings)
        if changes:
            context.is_changed = True
            self._send(context, "tts_session.updated", session=changes)

    def _free_id(self, clock: float) -> tuple[str, _Rest]:
        used = len(self._contexts) + len(self._resting)
        if used < self._limits.contexts:
            return f"context-{used + 1}", _Rest()
        found = next(key for key, rest in self._resting.items() if rest.free_at <= clock)
        return found, self._resting.pop(found)

    def _append(self, context: _Context, piece: str) -> None:
        if self._outgoing:
            # Where words wait for each other anyway, they need no message each.
            last, frame = self._outgoing[-1]
            text = frame.get("text")
            if last is context and isinstance(text, str) and len(text + piece) <= LONGEST_PIECE:
                frame["text"] = text + piece
                return
        self._send(context, "input_text_buffer.append", text=piece)

    def _send(self, context: _Context, kind: str, **fields: object) -> None:
        self._outgoing.append((context, {"type": kind, **fields, "context_id": context.id}))

    def _sent(self, context: _Context, frame: dict[str, object], clock: float) -> None:
        context.is_known = True
        if frame["type"] == "input_text_buffer.append":
            context.is_sent = True
            context.utterance.was_sent = True
            context.appends += 1
            context.sent_letters += _letters(frame["text"])
        elif frame["type"] == "input_text_buffer.commit":
            context.committed_at = context.last_sign_at = clock
            context.due_at = None

    # --- receiving -------------------------------------------------------------------------------

    def _take(self, fields: "_Fields", data: bytes, now: float) -> list[Utterance]:
        """Take in an event without audio."""
        kind = fields.type
        if fields.error or is_name_of_error(kind):
            return self._take_failure(fields, data, now)
        if kind == _CREATED:
            self.is_ready = True
            return []
        if kind in (_RECEIVED, _DONE, WORDS, _CANCELLED):
            context = self._context_of(fields)
            if isinstance(context, _Rest):
                self._take_late(context, kind, now)
            if not isinstance(context, _Context) or not context.is_sent:
                return []
            is_new = fields.item_id in context.utterance.items
            if context.before.is_doubtful and not is_new and self._is_old(context, fields.item_id):
                return []
            context.last_sign_at = self._clock(now)
            return self._take_sign(context, fields, data, now)
        if kind == _UPDATED:
            return []
        return self._take_unknown(fields, data, now)

    def _take_sign(
        self, context: _Context, fields: "_Fields", data: bytes, now: float
    ) -> list[Utterance]:
        """Take in what an event says of an utterance, but for its audio."""
        utterance = context.utterance
        if fields.type == _RECEIVED:
            self._acknowledges = True
            context.acknowledgements += 1
            context.acknowledged_letters += _letters(fields.text)
        elif fields.type == _DONE:
            self._reports_done = True
            utterance.add_done(fields.item_id)
        elif fields.type == WORDS:
            try:
                utterance.add_words(fields.item_id, read_words(data))
            except UNREADABLE as error:
                how = f"its word timings cannot be read: {error}"
                self._end(context, "failed", now, self._malformed(how, utterance))
        else:
            why = "the service cancelled the utterance"
            self._end(context, "failed", now, self.interrupted(why, utterance))
        self._judge(context, now)
        return [utterance]

    def _take_audio(self, fields: "_Fields", audio: Any, now: float) -> list[Utterance]:
        self._names_contexts = self._names_contexts and fields.context_id is not None
        context = self._context_of(fields)
        if context is None and fields.context_id is None and len(self._speaking) > 1:
            how = "its audio names no context, and several are open"
            return self._fail_all(lambda heard: self._malformed(how, heard), now)
        if isinstance(context, _Rest):
            self._take_late(context, AUDIO, now)
        if not isinstance(context, _Context) or not context.is_sent:
            return []
        utterance = context.utterance
        if fields.item_id not in utterance.items and self._is_old(context, fields.item_id):
            return []
        context.last_sign_at = self._clock(now)
        try:
            if not isinstance(audio, str | memoryview):
                raise ValueError("there is none")
            utterance.add_audio(fields.item_id, decode_base64(audio))
        except ValueError as error:
            how = f"its audio is no base64: {error}"
            self._end(context, "failed", now, self._malformed(how, utterance))
            return [utterance]
        # Audio never ends an utterance at once, and there is much of it.
        context.due_at = None
        return [utterance]

    def _take_late(self, rest: _Rest, kind: object, now: float) -> None:
        """Note a sign of an utterance that is over: its id rests on."""
        clock = self._clock(now)
        if kind == _CANCELLED and not rest.is_doubtful:
            rest.free_at = clock
        elif kind == AUDIO or rest.is_doubtful:
            rest.is_doubtful = True
            rest.free_at = clock + self._limits.rest_s

    def _is_old(self, context: _Context, item_id: object) -> bool:
        """Whether an item is of the utterance that had this id before."""
        if item_id is None or self._repeats_items or item_id not in context.before.items:
            return False
        others = [other.utterance.items for other in self._contexts.values()]
        rests = [rest.items for rest in self._resting.values()]
        is_elsewhere = any(item_id in items for items in (*others, *rests))
        self._repeats_items = is_elsewhere or not context.before.is_doubtful
        return not self._repeats_items

    def _take_failure(self, fields: "_Fields", data: bytes, now: float) -> list[Utterance]:
        if not self.is_ready:
            self.failure = failure_in_event(data, self._headers)
            return self._fail_all(lambda _: failure_in_event(data, self._headers), now)
        return self._fail(fields, lambda _: failure_in_event(data, self._headers), now)

    def _take_unknown(self, fields: "_Fields", data: bytes, now: float) -> list[Utterance]:
        """Let an event of an unknown kind pass, unless that would lose an error or audio."""
        try:
            document = read_object(data)
            if speaks_of_error(document, ""):
                return self._take_failure(fields, data, now)
            data.decode()
        except UNREADABLE as error:
            how = f"it cannot be read: {error}"
        else:
            place = place_of_audio(document)
            if place is None:
                return []
            how = f"it holds what may be audio in {place!r}, where none is known"
        return self._fail(fields, lambda heard: self._malformed(how, heard), now)

    def _fail(
        self, fields: "_Fields", error: Callable[[Utterance], SpeechError], now: float
    ) -> list[Utterance]:
        """Fail the utterance that an event names; all, where it names none."""
        if fields.context_id is not None:
            context = self._context_of(fields)
        else:
            context = self._context_of_item(fields.item_id)
            if context is None:
                return self._fail_all(error, now)
        if not isinstance(context, _Context):
            return []
        self._end(context, "failed", now, error(context.utterance))
        return [context.utterance]

    def _context_of(self, fields: "_Fields") -> "_Context | _Rest | None":
        """Return the context that an event is of; `None` where it is nobody's."""
        name = fields.context_id
        if name is not None:
            known = isinstance(name, str)
            return self._contexts.get(name) or self._resting.get(name) if known else None
        context = self._context_of_item(fields.item_id)
        if context is not None:
            return context
        may_speak: list[_Context | _Rest] = [
            *(context for context in self._contexts.values() if context.is_sent),
            *(rest for rest in self._resting.values() if rest.is_doubtful),
        ]
        return may_speak[0] if len(may_speak) == 1 else None

    def _context_of_item(self, item_id: object) -> "_Context | _Rest | None":
        """Return the context that has an item, or had it and may still be spoken for."""
        if item_id is None:
            return None
        for context in self._contexts.values():
            if item_id in context.utterance.items:
                return context
        for rest in self._resting.values():
            if rest.is_doubtful and item_id in rest.items:
                return rest
        return None

    # --- ends ------------------------------------------------------------------------------------

    def _judge(self, context: _Context, now: float) -> None:
        """End the utterance if it is at its end."""
        ending, at = self._ending_of(context)
        context.due_at = min(at, self._deadline_of(context)[0])
        if ending is not None and at <= self._clock(now) and not context.utterance.is_over:
            self._end(context, ending, now)

    def _due_at(self, context: _Context) -> float:
        """Return when the utterance is at its end, or late, if nothing more comes."""
        if context.due_at is None:
            context.due_at = min(self._ending_of(context)[1], self._deadline_of(context)[0])
        return context.due_at

    def _ending_of(self, context: _Context) -> tuple[Ending | None, float]:
        """Return how the utterance ends if nothing more comes, and when."""
        utterance, limits = context.utterance, self._limits
        if context.committed_at is None:
            return None, _NEVER

        def after(seconds: float) -> float:
            # What may be whole ends well, however short the limit for the rest.
            return context.last_sign_at + min(seconds, limits.read_s)

        if not utterance.audio_bytes:
            # Reported done without audio, which may be on its way.
            is_over = utterance.is_done and context.is_acknowledged
            return ("done", after(limits.quiet_s)) if is_over else (None, _NEVER)
        if utterance.is_timed_to_last_word and not utterance.lacks_audio_of_word:
            is_sure = utterance.is_done_in_order and utterance.lacking_s <= 0
            return "words", after(0.0 if is_sure else limits.settle_s)
        if utterance.is_done and context.is_acknowledged and not utterance.words:
            is_settled = utterance.is_done_in_order and utterance.has_audio_for_text
            return "done", after(limits.settle_s if is_settled else limits.quiet_s)
        is_missing = (
            utterance.lacks_audio_of_word
            or (self._reports_done and not utterance.is_done)
            or (self._acknowledges and not context.is_acknowledged)
        )
        if is_missing:
            return None, _NEVER
        return "quiet", after(limits.untimed_s if utterance.words else limits.quiet_s)

    def _deadline_of(self, context: _Context) -> tuple[float, str, float]:
        """Return until when the utterance waits, and the name and seconds of that limit."""
        utterance, limits = context.utterance, self._limits
        if context.committed_at is None:
            return _NEVER, "", 0.0
        total = (context.committed_at + limits.total_s, "total_s", limits.total_s)
        if utterance.audio_bytes:
            at = context.last_sign_at + limits.read_s
            return min(total, (at, "read_s", limits.read_s))
        at = context.committed_at + limits.first_audio_s
        return min(total, (at, "first_audio_s", limits.first_audio_s))

    def _timeout(self, context: _Context) -> APITimeoutError:
        _, name, limit_s = self._deadline_of(context)
        return APITimeoutError(
            f"{self._awaited(context)} did not come within {name}={limit_s:g} s",
            bytes_received=context.utterance.audio_bytes,
            **self._ids(),
        )

    def _awaited(self, context: _Context) -> str:
        utterance = context.utterance
        if not context.is_acknowledged and not utterance.audio_bytes:
            return "the service's acknowledgement of the text"
        if not utterance.audio_bytes:
            return "the first audio"
        if utterance.lacks_audio_of_word:
            return f"the audio of the word {utterance.words[-1].word[:50]!r}"
        open_items = [key for key, item in utterance.items.items() if not item.is_done]
        if open_items:
            return f"the end of the item {excerpt(str(open_items[0]))!r}"
        return "the rest of the audio"

    def _end(
        self, context: _Context, ending: Ending, now: float, error: SpeechError | None = None
    ) -> None:
        utterance = context.utterance
        if error is None and ending in ("words", "done", "quiet"):
            if utterance.ends_inside_sample:
                error = self._malformed("the audio ends inside a sample", utterance)
            elif not utterance.audio_bytes:
                error = empty_audio(self._headers)
            ending = "failed" if error else ending
        utterance.end(ending, error)
        self._release(context, now)

    def _release(self, context: _Context, now: float) -> None:
        """Let an id go, and have the service cancel what it may still speak."""
        utterance = context.utterance
        self._outgoing = deque(entry for entry in self._outgoing if entry[0] is not context)
        is_whole = utterance.ending in ("words", "done", "no text") or not context.is_sent
        rest = _Rest(
            free_at=self._clock(now), is_doubtful=not is_whole, items=frozenset(utterance.items)
        )
        if not is_whole:
            rest.items |= context.before.items
            self._send(context, "input_text_buffer.clear")
        if not is_whole or (context.is_changed and context.is_known):
            # Until that is confirmed, the context has the settings of this utterance.
            self._send(context, "context.cancel")
            rest.free_at += self._limits.rest_s
        del self._speaking[utterance], self._contexts[context.id]
        self._resting[context.id] = rest

    def _fail_all(self, error: Callable[[Utterance], SpeechError], now: float) -> list[Utterance]:
        """Fail every utterance, each with an exception of its own."""
        failed = list(self._speaking.items())
        for utterance, context in failed:
            self._end(context, "failed", now, error(utterance))
        return [utterance for utterance, _ in failed]

    # --- errors, times ---------------------------------------------------------------------------

    def _malformed(self, how: str, utterance: Utterance) -> MalformedStreamError:
        return MalformedStreamError(
            f"event {self._event_number} of the session cannot be read: {how}",
            event_number=self._event_number,
            bytes_received=utterance.audio_bytes,
            **self._ids(),
        )

    def interrupted(self, why: str, utterance: Utterance) -> StreamInterruptedError:
        """Return the exception for an utterance that something has ended before its end."""
        return StreamInterruptedError(why, bytes_received=utterance.audio_bytes, **self._ids())

    def _ids(self) -> dict[str, Any]:
        return {
            "request_id": self._headers.get("x-request-id"),
            "cf_ray": self._headers.get("cf-ray"),
        }

    def _clock(self, now: float) -> float:
        """The time as the service owes it: without the pauses."""
        return (now if self._paused_at is None else self._paused_at) - self._paused_s

    def _real(self, clock: float) -> float:
        return clock + self._paused_s


def close_reason(code: int, reason: str) -> str:
    """Say in words why the service closed the connection.

    Args:
        code: The close code; 1006 where no close frame came.
        reason: The reason in the close frame.
    """
    words = _CLOSE_CODES.get(code)
    said = ", ".join(part for part in (words, excerpt(reason)) if part)
    return f"the service closed the connection: {code}" + (f" ({said})" if said else "")


class _Fields(EventFields):
    """What an event of a session may hold."""

    context_id: Any = None
    item_id: Any = None
    text: Any = None


_FIELDS = msgspec.json.Decoder(_Fields)
_NEVER = float("inf")


def _letters(text: object) -> int:
    """Count what is no space: the service may strip the text that it acknowledges."""
    return len("".join(text.split())) if isinstance(text, str) else 0
