# Made from facade/_async/connections.py by `make generate`; edit that one.
"""The connections of a realtime session, and the turns that are spoken over them.

Two tasks serve a connection: one receives, and one sends and keeps the time. The application waits
for nothing of theirs but for news of its turn. What goes over a connection, and what it means, is
worked out in `facade._rules.realtime`; here are sockets, clocks and waiting.

A session needs one connection. Another one takes its place where it is lost, silent, or has no room
for one more turn; it is closed when its last turn is over.
"""

import copy
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from facade._rules.heard import Heard
from facade._rules.realtime_settings import RealtimeLimits, RealtimeSettings
from facade._rules.request import SpeechRequest, check_token
from facade._rules.retry import RACE_S
from facade._rules.words import WordTiming
from facade._sync.reader import Reader
from facade._transport.call import Call, logger
from facade._transport.config import Config
from facade._transport.waiting_sync import (
    ITERABLE,
    Background,
    Mutex,
    Signal,
    Tokens,
    end,
    iterate,
    new_lock,
    pass_on,
    place,
    shielded,
)
from facade.errors import APIConnectionError, APITimeoutError, SpeechError

# What speaks the protocol is loaded by the first connection.
if TYPE_CHECKING:
    from facade._rules.realtime import Session
    from facade._rules.utterance import Utterance
    from facade._transport._sync.exchange import Exchange
    from facade._transport.duplex_sync import Duplex
    from facade._transport.websocket import WebSocket

WithExchange: TypeAlias = Callable[[Callable[..., None]], None]
"""What calls a function with an exchange, as often as the client tries again."""
CheckVoice: TypeAlias = Callable[[SpeechRequest], None]
"""What looks up a voice that is not known offline."""

PATH = "/audio/speech/websocket"
# Audio that waits for its listeners; with more than that, the socket waits. It is 11 minutes.
MAX_WAITING_BYTES = 32 * 1024 * 1024
# Messages that wait to be sent; with more than that, the source of a text waits.
_MAX_UNSENT = 64
# How long what has arrived may take to be handed in before a time limit is judged.
_ARRIVED_S = 0.1
# How long the service is waited for to agree that a connection ends.
_GOODBYE_S = 1.0
# A connection that was lost sooner than this, and spoke nothing, is replaced only when needed.
_WORTH_REPLACING_S = 5.0
# With what a service ends an idle connection: by closing, going away, saying nothing, restarting.
_IDLE_CODES = (1000, 1001, 1006, 1012)

_CLOSED = "the session was closed"


class Turn:
    """One turn: an utterance, where its text comes from, and what waits for its audio.

    Attributes:
        utterance: The utterance.
        connection: What it is spoken over, or was; `None` before.
        attempts: On how many connections it was begun.
        began_at: When it was begun on this one.
        messages_before: How many messages had come over this one by then.
        news: Wakes who waits for audio.
    """

    def __init__(
        self, connections: "Connections", settings: RealtimeSettings, text: Tokens | None
    ) -> None:
        from facade._rules.utterance import Utterance

        self.utterance = Utterance(settings)
        self.connection: Connection | None = None
        self.attempts = 0
        self.news = Signal(connections.mutex)
        self.began_at = 0.0
        self.messages_before = 0
        self._connections = connections
        self._mutex = connections.mutex
        self._source: Tokens | None = None
        self._source_error: BaseException | None = None
        self._stop_source: Callable[[], None] = _nothing
        self._counted = 0
        if isinstance(text, list | tuple) and all(isinstance(token, str) for token in text):
            # All of it is at hand.
            text = "".join(text)
        if isinstance(text, str):
            check_token(text)
            self.utterance.add_text(text)
            self.utterance.has_all_text = True
        elif text is not None:
            # What cannot be iterated over is told here, and not by a task that nobody sees.
            if not isinstance(text, ITERABLE):
                check_token(text)
            self._source = text

    # --- the text --------------------------------------------------------------------------------

    def append(self, token: str) -> None:
        """Take in more of the text."""
        utterance = self.utterance
        with self._mutex:
            if utterance.has_all_text and utterance.ending not in ("interrupted", "failed"):
                raise SpeechError("the text of this turn is whole; speak() begins another")
            if self.connection is not None:
                self.connection.core.append(utterance, token, time.monotonic())
                self.connection.wake()
            else:
                check_token(token)
                if not utterance.is_over:
                    utterance.add_text(token)

    def commit(self) -> None:
        """Say that the text is whole."""
        with self._mutex:
            if self.utterance.has_all_text or self.utterance.is_over:
                return
            if self.connection is None:
                self.utterance.has_all_text = True
                return
            self.connection.core.end_text(self.utterance, time.monotonic())
            self.told()
            self.connection.wake()

    def begin(self) -> "Turn":
        """Find a connection for it, and let its text come."""
        self._connections.open(self)
        if self._source is not None and not self.utterance.is_over:
            self._stop_source = self._connections.background.start(
                self._feed, self._source, is_awaited=False
            )
        return self

    def _feed(self, source: Tokens) -> None:
        try:
            tokens = iterate(source)
            try:
                for token in tokens:
                    if self.utterance.is_over:
                        break
                    self.append(token)
                    self._sent()
                else:
                    self.commit()
            finally:
                self._stop_source = _nothing
                end(tokens)
        except BaseException as error:  # noqa: BLE001 - whoever listens is told
            self._fail_source(error)
            pass_on(error)

    def _sent(self) -> None:
        """Wait while more of the text has come than is taken by the service."""
        with self._mutex:
            while (
                (connection := self.connection) is not None
                and connection.core.unsent > _MAX_UNSENT
                and not self.utterance.is_over
            ):
                connection.room.wait()

    def _fail_source(self, error: BaseException) -> None:
        with self._mutex:
            if self.utterance.is_over:
                logger.info("the text of a turn that was over raised %s", type(error).__name__)
            else:
                self._source_error = error
                self.fail(None)

    # --- the audio -------------------------------------------------------------------------------

    @property
    def words(self) -> Sequence[WordTiming]:
        """When each word is spoken, as far as that has come."""
        return tuple(self.utterance.words)

    @property
    def audio_bytes(self) -> int:
        """Bytes of audio that have come."""
        return self.utterance.audio_bytes

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the connection."""
        connection = self.connection
        return connection.exchange.call.shown("x-request-id") if connection else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come than has come."""
        return self.utterance.is_over and not self.utterance.waiting_bytes

    def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last.

        Raises:
            SpeechError: The turn has failed.
            Exception: What the source of the text has raised.
        """
        self._connections.check_here()
        utterance = self.utterance
        with self._mutex:
            stuck_at = inf
            while (piece := utterance.take()) is None and not utterance.is_over:
                stuck_at = self._stuck_at(stuck_at)
                if time.monotonic() < stuck_at:
                    self.news.wait(stuck_at)
                else:
                    self.fail(self._stuck())
            self.count()
        if piece is None:
            error = self._source_error or utterance.error
            if error is not None:
                raise error
        return piece

    def _stuck_at(self, before: float) -> float:
        """Return until when to wait while others' audio keeps this one's from coming."""
        if self.connection is None or not self.connection.is_paused:
            return inf
        return min(before, time.monotonic() + self._connections.limits.read_s)

    def _stuck(self) -> SpeechError:
        return SpeechError(
            f"nothing came for {self._connections.limits.read_s:g} s, since {MAX_WAITING_BYTES} "
            "bytes of audio of other turns of this session wait to be taken; take or interrupt "
            "those first, or give them a session of their own"
        )

    def heard(self, played_s: float | None) -> Heard:
        """Say what was heard of it."""
        with self._mutex:
            return self.utterance.heard(played_s)

    def interrupt(self, played_s: float | None) -> Heard:
        """End it at once, and say what was heard of it."""
        with self._mutex:
            now = time.monotonic()
            if self.connection is not None:
                heard = self.connection.core.interrupt(self.utterance, now, played_s)
                self.connection.wake()
            else:
                heard = self.utterance.heard(played_s)
                self.utterance.end("interrupted")
            self.told()
            return heard

    def fail(self, error: SpeechError | None) -> None:
        """End it as failed; audio that has come stays."""
        if self.connection is not None:
            self.connection.core.fail(self.utterance, error, time.monotonic())
            self.connection.wake()
        else:
            self.utterance.end("failed", error)
        self.told()

    def failed(self, error: BaseException, outer: BaseException | None) -> BaseException:
        """Return what to raise in place of `error`.

        Where only the waiting was given up, the turn goes on: leaving its block ends it.
        """
        connection = self.connection
        if connection is not None and error is self.utterance.error:
            return connection.exchange.told(error, outer)
        return error

    def close(self) -> None:
        """Read no more."""
        if self._connections.is_here:
            self.interrupt(None)

    def hang_up(self) -> None:
        """See `Reader`; `Connections` ends what was dropped when it gets round to it."""

    # --- for its connection ----------------------------------------------------------------------

    def told(self) -> None:
        """Take note that something about it has changed."""
        self.count()
        if self.utterance.waiting_bytes or self.utterance.is_over:
            self.news.notify()
        connection = self.connection
        if self.utterance.is_over:
            if connection is not None and self.utterance in connection.turns:
                del connection.turns[self.utterance]
                connection.room.notify()
            # It may be waiting for room itself.
            self._connections.ended.notify()
            self._stop_source()

    def count(self) -> None:
        """Count what waits of it to be taken."""
        waiting, before = self.utterance.waiting_bytes, self._counted
        self._counted = waiting
        connection = self.connection
        if connection is not None and waiting != before:
            connection.waiting_bytes += waiting - before
            if connection.is_paused and connection.waiting_bytes <= MAX_WAITING_BYTES:
                connection.room.notify()


class Connection:
    """One connection.

    Attributes:
        exchange: The exchange that began it.
        duplex: What is read from and written to.
        core: The rules of the session.
        websocket: The protocol beneath.
        turns: Those who speak over it.
        work: Wakes what sends and keeps the time.
        wake_at: When that wakes by itself.
        taken: Wakes who waits until what has arrived was handed in.
        room: Wakes who waits until less waits to be taken, or sent.
        messages: How many messages have come.
        waiting_bytes: Bytes of audio that wait to be taken.
        is_paused: Whether too many do, so that nothing is received.
        is_over: Whether it is not used any more.
        has_spoken: Whether a turn was begun on it.
        began_at: When it was made.
        failure: Why it was lost.
    """

    def __init__(
        self,
        exchange: "Exchange",
        duplex: "Duplex",
        core: "Session",
        websocket: "WebSocket",
        mutex: Any,
    ) -> None:
        self.exchange = exchange
        self.duplex = duplex
        self.core = core
        self.websocket = websocket
        self.turns: dict[Utterance, Turn] = {}
        self.work, self.taken, self.room = Signal(mutex), Signal(mutex), Signal(mutex)
        self.wake_at = inf
        self.messages = self.waiting_bytes = 0
        self.is_paused = self.is_over = self.has_spoken = False
        self.began_at = time.monotonic()
        self.failure = ""

    def wake(self, soonest: float = 0.0) -> None:
        """Wake what sends, if there is something to do that it does not know of.

        Args:
            soonest: Before this time, nothing is due that it does not know of.
        """
        is_unsent = self.core.unsent or self.websocket.is_unsent
        if is_unsent or (soonest < self.wake_at and _next_tick(self) < self.wake_at):
            self.work.notify()

    def tell(self, utterances: "Sequence[Utterance]") -> None:
        """Tell the turns of these utterances that there is news."""
        for utterance in utterances:
            self.turns[utterance].told()


class Connections:
    """All connections of a session.

    Attributes:
        mutex: Held for each step that waits for nothing.
        limits: How long to wait for what.
        background: What goes on beside the application.
        ended: Wakes who waits for a turn to end.
        lost: Turns that their listeners have dropped.
        is_closed: Whether the session is over.
    """

    def __init__(
        self,
        config: Config,
        settings: RealtimeSettings,
        with_exchange: WithExchange,
        check_voice: CheckVoice,
    ) -> None:
        self.mutex = Mutex()
        times = config.timeouts
        self.limits = RealtimeLimits(
            first_audio_s=times.first_audio_s, read_s=times.read_s, total_s=times.total_s
        )
        self.background = Background()
        self.ended = Signal(self.mutex)
        self.lost: deque[Reader] = deque()
        self.is_closed = False
        self._config = config
        self._settings = settings
        self._with_exchange = with_exchange
        self._check_voice = check_voice
        self._connecting = new_lock()
        self._all: list[Connection] = []
        # Also those that are not in use yet, or no more.
        self._served: set[Connection] = set()
        # Calls that ask for a connection.
        self._handshakes: set[Call] = set()
        # Those whose connection was lost, and who wait for another.
        self._moved: set[Turn] = set()
        self._failure: SpeechError | None = None
        self._place: object = None

    @property
    def has_begun(self) -> bool:
        """Whether it has connected, or tried to."""
        return self._place is not None

    @property
    def is_here(self) -> bool:
        """Whether this is the process, or event loop, that it was begun in.

        A child of the process has no part in it, and may find its locks held for ever.
        """
        return self._place is not None and self._place == place()

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the newest connection."""
        # Another thread may end it at any moment.
        newest = self._all[-1:]
        return newest[0].exchange.call.shown("x-request-id") if newest else None

    def begin(self) -> None:
        """Connect."""
        self._check_open()
        if self._place is not None:
            raise SpeechError("this session was begun already")
        self._place = place()
        self.background.begin()
        try:
            self._check_voice(self._settings.request)
            self._connect()
        except BaseException:
            self.close()
            raise

    def open(self, turn: Turn) -> None:
        """Find a connection for a turn; wait while as many speak as may.

        Raises:
            SpeechError: No connection can be had.
        """
        # Before any lock is taken.
        self._check_open()
        if not self.has_begun:
            raise SpeechError("this session has not begun: use it in a `with` block")
        settings = turn.utterance.settings
        if settings is not self._settings:
            self._check_voice(settings.request)
        until = time.monotonic() + self.limits.total_s
        while not self._opened(turn, until):
            self._connect()

    def _opened(self, turn: Turn, until: float) -> bool:
        """Return whether a turn has begun, or need not; else a new connection is wanted."""
        with self.mutex:
            while True:
                self._end_lost()
                if turn.utterance.is_over:
                    return True
                now = time.monotonic()
                connection = self._free(now)
                if connection is not None:
                    self._attach(turn, connection, now)
                    return True
                speaking = sum(len(one.turns) for one in self._all)
                if speaking < self.limits.contexts:
                    return False
                if now >= until:
                    raise APITimeoutError(
                        f"{speaking} turns are being spoken, which is all that the service takes, "
                        f"and none ended within total_s={self.limits.total_s:g} s",
                        transient=False,
                    )
                self.ended.wait(until)

    def _attach(self, turn: Turn, connection: Connection, now: float) -> None:
        connection.core.adopt(turn.utterance, now)
        connection.has_spoken = True
        connection.turns[turn.utterance] = turn
        turn.connection = connection
        turn.attempts += 1
        turn.began_at, turn.messages_before = now, connection.messages
        connection.wake()
        turn.told()

    def _free(self, now: float) -> Connection | None:
        """Return a connection that can take a turn now; let go those that never will again."""
        for connection in reversed(self._all):
            if connection.websocket.is_fresh(now):
                free_at = connection.core.free_at(now)
                if free_at is not None and free_at <= now:
                    return connection
            if not connection.turns:
                self._retire(connection)
        return None

    def _retire(self, connection: Connection) -> None:
        """End a connection of which nobody wants anything more."""
        connection.is_over = True
        if connection in self._all:
            self._all.remove(connection)
        connection.websocket.close()
        connection.work.notify()
        connection.room.notify()
        connection.taken.notify()

    def _end_lost(self) -> None:
        """End the turns that their listeners have dropped."""
        while self.lost:
            cast("Turn", self.lost.popleft()).interrupt(None)

    def _check_open(self) -> None:
        if self.is_closed:
            raise SpeechError(f"{_CLOSED}; begin another with realtime()")
        self.check_here()

    def check_here(self) -> None:
        """Refuse to wait where nobody serves the connections.

        Raises:
            SpeechError: It was begun in another process, or event loop.
        """
        if self._place not in (None, place()):
            raise SpeechError(
                "this session belongs to another process, or event loop: the one it was begun in"
            )

    # --- connecting ------------------------------------------------------------------------------

    def _connect(self) -> None:
        """See that there is a connection with room for a turn.

        Who waits while another connects shares what comes of it: of many turns none waits for the
        failures of all others.
        """
        before = self._failure
        with self._connecting:
            with self.mutex:
                self._check_open()
                if self._free(time.monotonic()) is not None:
                    return
            if self._failure is not None and self._failure is not before:
                raise _another(self._failure)
            try:
                self._with_exchange(self._connected)
            except SpeechError as error:
                self._check_open()
                self._failure = _another(error)
                raise

    def _connected(self, exchange: "Exchange") -> None:
        """Shake hands over `exchange`, and wait for the service's greeting."""
        from facade._rules.realtime import Session
        from facade._transport.websocket import WebSocket

        websocket = WebSocket()
        call = exchange.call
        self._handshakes.add(call)
        try:
            self._check_open()
            duplex = exchange.upgrade(PATH, self._settings.query, websocket.headers)
        finally:
            self._handshakes.discard(call)
        try:
            websocket.accept(call.headers.items(), time.monotonic())
        except ValueError as error:
            raise APIConnectionError(
                f"{self._config.address} answered 101 and begins no WebSocket: {error}"
            ) from error
        headers = {name: call.shown(name) or "" for name in ("x-request-id", "cf-ray")}
        core = Session(
            self._settings,
            limits=self.limits,
            headers={name: value for name, value in headers.items() if value},
        )
        connection = Connection(exchange, duplex, core, websocket, self.mutex)
        call.wait_for("connect_s", self._config.timeouts.connect_s)
        until = time.monotonic() + call.left_s()
        with self.mutex:
            self._check_open()
            self._served.add(connection)
            self.background.start(self._receive, connection)
            self.background.start(self._send, connection)
            try:
                self._greeted(connection, until)
            except BaseException:
                connection.is_over = True
                connection.work.notify()
                raise
            self._all.append(connection)

    def _greeted(self, connection: Connection, until: float) -> None:
        core = connection.core
        while True:
            self._check_open()
            if connection.failure:
                raise APIConnectionError(connection.failure, transient=True, request_sent=False)
            if core.failure is not None:
                raise core.failure
            # It may have greeted and gone; what it has said then is told when it is taken in.
            if core.is_ready and not connection.websocket.is_over:
                return
            if time.monotonic() >= until:
                limit_s = self._config.timeouts.connect_s
                raise APITimeoutError(
                    f"{self._config.address} took the connection and did not say "
                    f"'session.created' within connect_s={limit_s:g} s",
                    transient=True,
                    request_sent=False,
                )
            connection.taken.wait(until)

    # --- beside the application ------------------------------------------------------------------

    def _receive(self, connection: Connection) -> None:
        websocket = connection.websocket
        why, cause = "", None
        try:
            while not websocket.is_over:
                data = connection.duplex.receive()
                with self.mutex:
                    self._take(connection, data)
                    self._have_room(connection)
            why = websocket.failure or _close_reason(*websocket.end)
        except Exception as error:  # noqa: BLE001 - whoever listens is told
            why, cause = connection.exchange.loss(error)
        finally:
            with self.mutex:
                self._lose(connection, why, cause)
                websocket.is_over = True
                connection.taken.notify()

    def _take(self, connection: Connection, data: bytes) -> None:
        """Take in what has come."""
        core, now = connection.core, time.monotonic()
        self._end_lost()
        for message in connection.websocket.receive(data, now):
            if connection.is_over:
                # Its turns are over, or are spoken elsewhere.
                break
            connection.messages += 1
            connection.tell(core.receive(message, now))
        if connection.websocket.failure:
            connection.tell(core.unreadable(connection.websocket.failure, now))
        if connection.websocket.is_arriving:
            core.note_arrival(now)
        connection.taken.notify()
        connection.wake(now + self.limits.soonest_s)

    def _have_room(self, connection: Connection) -> None:
        """Wait while too much audio waits to be taken."""
        if connection.waiting_bytes <= MAX_WAITING_BYTES or connection.is_over:
            return
        connection.is_paused = True
        connection.core.pause(time.monotonic())
        for turn in tuple(connection.turns.values()):
            turn.news.notify()
        while connection.waiting_bytes > MAX_WAITING_BYTES and not connection.is_over:
            connection.room.wait()
        now = time.monotonic()
        connection.is_paused = False
        connection.websocket.pause(now)
        connection.core.resume(now)
        connection.work.notify()

    def _send(self, connection: Connection) -> None:
        seconds = self.limits.read_s
        try:
            while True:
                with self.mutex:
                    data = self._outgoing(connection)
                    if not data:
                        if connection.is_over:
                            break
                        connection.work.wait(connection.wake_at)
                        continue
                connection.duplex.send(data, seconds)
                with self.mutex:
                    connection.room.notify()
            self._goodbye(connection)
        except Exception as error:  # noqa: BLE001 - whoever listens is told
            with self.mutex:
                self._lose(connection, *connection.exchange.loss(error))
        finally:
            with shielded():
                connection.exchange.close()
            with self.mutex:
                self._served.discard(connection)
                self.ended.notify()

    def _outgoing(self, connection: Connection) -> bytes:
        """Do what is due, and give what is to be sent."""
        core, websocket, now = connection.core, connection.websocket, time.monotonic()
        self._end_lost()
        if now > connection.wake_at + _ARRIVED_S and not connection.is_paused:
            # This process stood still, and what has come meanwhile is not late.
            core.pause(connection.wake_at)
            core.resume(now + _ARRIVED_S)
        if not connection.is_over and now >= connection.wake_at and now >= _next_tick(connection):
            if not connection.is_paused and connection.duplex.has_news:
                # What has come in time is not late.
                connection.taken.wait(now + _ARRIVED_S)
                now = time.monotonic()
            connection.tell(core.tick(now))
            if not connection.is_paused and not websocket.tick(now):
                self._lose(connection, "the service no longer answers a ping", None)
        for text in core.frames_to_send(now):
            websocket.send(text)
        connection.wake_at = _next_tick(connection)
        if connection.turns:
            # What is due moves with each event: it is looked at now and then, not each time.
            connection.wake_at = min(connection.wake_at, now + self.limits.soonest_s)
        return websocket.data_to_send()

    def _goodbye(self, connection: Connection) -> None:
        """Wait a little for the service to end a connection that is over."""
        until = time.monotonic() + _GOODBYE_S
        with self.mutex:
            while not connection.websocket.is_over and time.monotonic() < until:
                connection.taken.wait(until)

    # --- its end ---------------------------------------------------------------------------------

    def _lose(self, connection: Connection, why: str, cause: BaseException | None) -> None:
        """Take note that a connection is lost, and go on elsewhere with what may go on.

        Without a reason, its task was ended by the event loop, in which nothing more can begin.
        """
        if connection.is_over:
            connection.work.notify()
            connection.room.notify()
            return
        # What the service said says more than that the connection is gone.
        connection.failure = "" if connection.core.failure else why
        lost = connection.core.connection_lost(why, time.monotonic(), cause=cause)
        turns = dict(connection.turns)
        connection.tell(lost.failed)
        goes_on = bool(why) and not self.is_closed
        again = []
        for utterance in lost.unspoken:
            turn = turns[utterance]
            error = connection.core.interrupted(why, utterance)
            error.__cause__ = cause
            if goes_on and self._may_go_on(turn, error):
                again.append(turn)
                turn.connection = None
            else:
                turn.fail(error)
        lived_s = time.monotonic() - connection.began_at
        was_useful = connection.has_spoken or lived_s > _WORTH_REPLACING_S
        connection.turns.clear()
        self._retire(connection)
        if goes_on and (again or (was_useful and not self._all)):
            # The service's own words may repeat the text, which no log may hold.
            code = connection.websocket.end[0]
            logger.info("a realtime connection ended (%d), and another takes its place", code)
            self._moved.update(again)
            self.background.start(self._go_on, again)

    def _may_go_on(self, turn: Turn, error: SpeechError) -> bool:
        """Whether a turn without audio may be spoken on another connection.

        It may where none of its text was sent, or the application allows it. And it may once where
        the connection ends as soon as the text sets out, and nothing else comes over it: then the
        service was ending an idle connection just then (see the pool of the transport).
        """
        retry, connection = self._config.retry, turn.connection
        if not turn.utterance.was_sent:
            return turn.attempts < max(retry.attempts, 2)
        if turn.attempts == 1 and connection is not None:
            age_s = time.monotonic() - turn.began_at
            is_silent = connection.messages == turn.messages_before
            if age_s < RACE_S and is_silent and connection.websocket.end[0] in _IDLE_CODES:
                return True
        return retry.decide(error, attempt=turn.attempts, left_s=inf) is not False

    def _go_on(self, turns: Sequence[Turn]) -> None:
        """Connect anew, and go on with these turns."""
        failure = SpeechError(_CLOSED)
        try:
            self._connect()
            for turn in turns:
                self.open(turn)
        except SpeechError as error:
            logger.info("no realtime connection could be made: %s", error)
            failure = error
        finally:
            with self.mutex:
                self._moved.difference_update(turns)
                for turn in turns:
                    if turn.connection is None and not turn.utterance.is_over:
                        turn.fail(_another(failure))

    def shut(self) -> None:
        """End all turns, and see that all connections end."""
        with self.mutex:
            self.is_closed = True
            for call in tuple(self._handshakes):
                call.abort()
            for connection in tuple(self._served):
                for turn in tuple(connection.turns.values()):
                    turn.fail(SpeechError(_CLOSED))
                self._retire(connection)
            for turn in tuple(self._moved):
                if not turn.utterance.is_over:
                    turn.fail(SpeechError(_CLOSED))
            self.ended.notify()

    def abandon(self) -> None:
        """Do what can be done without a lock and without waiting: hang up."""
        self.is_closed = True
        for connection in tuple(self._all):
            connection.exchange.hang_up()

    def close(self) -> None:
        """End all turns and connections."""
        self.is_closed = True
        if self.is_here:
            self.shut()
            with shielded(), self.mutex:
                until = time.monotonic() + 2 * _GOODBYE_S
                while self._served and time.monotonic() < until:
                    self.ended.wait(until)
                # They are stuck.
                for connection in self._served:
                    connection.exchange.hang_up()
            self.background.close()


def _next_tick(connection: Connection) -> float:
    """Return when something is due."""
    due_at = connection.core.next_tick()
    due_at = inf if due_at is None else due_at
    return due_at if connection.is_paused else min(due_at, connection.websocket.next_tick())


def _another(error: SpeechError) -> SpeechError:
    """Return the same error once more: none is raised in two places."""
    same = copy.copy(error)
    same.__cause__ = error.__cause__
    return same


def _nothing() -> None:
    """Do nothing."""


def _close_reason(code: int, reason: str) -> str:
    from facade._rules.realtime import close_reason

    return close_reason(code, reason)
