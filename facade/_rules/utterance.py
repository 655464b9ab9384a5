"""One utterance of a realtime session: its text, its audio, its words and its end.

The service sends no event for the end of an utterance: one commit may give several items, each with
a `done` of its own. `Ending` says by what the end was known, from the surest to the least sure:

- The timings come to the last word of the text, and the audio to the end of that word. If every
  item is done after its audio, this is the end; else when nothing more comes for `settle_s`.
- There are no timings, all text was acknowledged, every item is done, and nothing more comes for
  `settle_s`; for `quiet_s` where the audio is shorter than such a text can be.
- Nothing more comes for `quiet_s`, or for `untimed_s` where the last words of a timed text have no
  time. That is no end while something is known to be missing: audio of a word that is timed, or, on
  a connection that has sent such events before, an item's `done` or the acknowledgement of text.
  Then the time limits hold.
"""

from collections import deque
from collections.abc import Sequence

from msgspec import Struct, field

from facade._rules.frames import whole_frames
from facade._rules.heard import CHARACTERS_PER_S, Ending, Heard, Reach, heard_of
from facade._rules.realtime_settings import RealtimeSettings
from facade._rules.words import WordTiming
from facade.errors import SpeechError
from facade.formats import AudioFormat

# Nobody speaks faster, in characters a second with spaces: with less audio than that, more is to
# come, if slowly.
_FASTEST_PER_S = 1.2 * CHARACTERS_PER_S
# Timings are rounded; and they may go a little beyond the audio.
_ROUNDING_S = 0.02
_OVERHANG_S = 0.5
# Between two words that follow each other there is no longer silence.
_GAP_S = 2.0


class Item(Struct):
    """A part of an utterance's audio, as the service makes it.

    Attributes:
        start_s: Seconds of the utterance's audio before it.
        audio_bytes: Bytes of its audio so far.
        is_done: Whether the service has reported it done.
        is_late: Whether audio of it came after that.
        rest: The beginning of a sample whose end is still to come.
    """

    start_s: float
    audio_bytes: int = 0
    is_done: bool = False
    is_late: bool = False
    rest: bytes = b""


class Utterance(Struct, eq=False):
    """One utterance. The session drives it; whoever listens takes its audio.

    Attributes:
        settings: What it is asked for.
        words: When each word is spoken, in seconds from its beginning, as far as that has come.
        audio_bytes: Bytes of audio that have come, in whole samples.
        taken_bytes: Bytes of audio that were taken.
        ending: How its end was known; `None` before its end.
        error: Why it failed, if it did.
        was_sent: Whether text of it may have reached the service, which then may bill it.
        has_all_text: Whether its text is whole.
        items: The parts of its audio.
    """

    settings: RealtimeSettings
    words: list[WordTiming] = field(default_factory=list)
    audio_bytes: int = 0
    taken_bytes: int = 0
    ending: Ending | None = None
    error: SpeechError | None = None
    was_sent: bool = False
    has_all_text: bool = False
    items: dict[object, Item] = field(default_factory=dict)
    _text: list[str] = field(default_factory=list)
    _queue: deque[bytes] = field(default_factory=deque)
    _is_whole: bool = False
    _reach: Reach | None = None

    @property
    def format(self) -> AudioFormat:
        """The format of its audio."""
        return self.settings.format

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def audio_s(self) -> float:
        """Seconds of audio that have come."""
        return self.format.pcm_duration_s(self.audio_bytes) or 0.0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of audio that have come and were not taken."""
        return self.audio_bytes - self.taken_bytes if self._queue else 0

    @property
    def is_over(self) -> bool:
        """Whether no more audio will be there to take than is there now."""
        return self.ending is not None

    def take(self) -> bytes | None:
        """Take the next audio, in whole samples; `None` where none is there now.

        When there is none and `is_over`, the utterance is at its end, and `error` says whether
        well.
        """
        if not self._queue:
            return None
        audio = self._queue.popleft()
        self.taken_bytes += len(audio)
        return audio

    def heard(self, played_s: float | None = None) -> Heard:
        """Say what was heard of it.

        Args:
            played_s: Seconds of its audio that were played; by default all that was taken.
        """
        if played_s is None:
            played_s = self.format.pcm_duration_s(self.taken_bytes) or 0.0
        return heard_of(
            self.text,
            self.words,
            played_s=played_s,
            audio_s=self.audio_s,
            is_whole=self._is_whole,
        )

    # --- for the session -------------------------------------------------------------------------

    def add_text(self, token: str) -> None:
        """Take in more of the text."""
        self._text.append(token)
        self._reach = None

    def add_audio(self, item_id: object, audio: bytes) -> None:
        """Take in audio of an item; what is no whole sample waits for its rest."""
        item = self._item(item_id)
        item.is_late = item.is_done
        audio, item.rest = whole_frames(audio, item.rest, self.format.frame_bytes or 1)
        item.audio_bytes += len(audio)
        self.audio_bytes += len(audio)
        if audio:
            self._queue.append(audio)

    def add_words(self, item_id: object, timings: Sequence[WordTiming]) -> None:
        """Take in timings, which count from the beginning of the utterance or of their item."""
        if not timings:
            return
        base_s = 0.0
        before_s = self.words[-1].end_s if self.words else 0.0
        if timings[0].start_s < before_s - _ROUNDING_S:
            item = self.items.get(item_id)
            base_s = item.start_s if item else self.audio_s
            if not before_s - _ROUNDING_S <= base_s + timings[0].start_s <= before_s + _GAP_S:
                base_s = before_s
        if base_s:
            timings = [
                WordTiming(it.word, base_s + it.start_s, base_s + it.end_s) for it in timings
            ]
        self.words += timings

    def add_done(self, item_id: object) -> None:
        """Take in that an item is done, or all of them, where it is not said which."""
        items = self.items.values() if item_id is None and self.items else [self._item(item_id)]
        for item in items:
            item.is_done = True

    def end(self, ending: Ending, error: SpeechError | None = None) -> None:
        """Come to the end; after an interruption there is nothing to take."""
        self._is_whole = self._is_whole or ending in ("words", "done", "quiet")
        self.ending = ending
        self.error = error
        if ending == "interrupted":
            self._queue.clear()

    def forget(self) -> None:
        """Forget what the service has said of it, but not its text: it is spoken anew."""
        self.words.clear()
        self.items.clear()
        self._reach = None

    @property
    def ends_inside_sample(self) -> bool:
        """Whether a sample's end has not come."""
        return any(item.rest for item in self.items.values())

    @property
    def is_done(self) -> bool:
        """Whether there are items, and all are done."""
        return bool(self.items) and all(item.is_done for item in self.items.values())

    @property
    def is_done_in_order(self) -> bool:
        """Whether each item was done after its audio, so that no more is to come of it."""
        items = self.items.values()
        return self.is_done and not any(item.is_late or not item.audio_bytes for item in items)

    @property
    def lacking_s(self) -> float:
        """Seconds of audio that are lacking to the end of the last word that is timed."""
        return self.words[-1].end_s - self.audio_s - _ROUNDING_S if self.words else 0.0

    @property
    def lacks_audio_of_word(self) -> bool:
        """Whether a word is timed whose audio has not come."""
        return self.lacking_s > _OVERHANG_S

    @property
    def has_audio_for_text(self) -> bool:
        """Whether there is as much audio as the fastest speech would have."""
        return self.audio_s * _FASTEST_PER_S >= len(self.text.strip())

    @property
    def is_timed_to_last_word(self) -> bool:
        """Whether the timings come to the end of the text."""
        if not self.words:
            return False
        if self._reach is None:
            self._reach = Reach(self.text)
        return self._reach.is_whole(self.words)

    def _item(self, item_id: object) -> Item:
        item = self.items.get(item_id)
        if item is None:
            item = self.items[item_id] = Item(start_s=self.audio_s)
        return item
