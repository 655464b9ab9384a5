"""The events of a realtime session, as the server sends them."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any, TypeAlias

from together_emulator.answer import TimedWord
from together_emulator.errors import ApiError
from together_emulator.events import word_lists

SessionEvent: TypeAlias = dict[str, Any]
"""An event as JSON has it."""

DELTA = "conversation.item.audio_output.delta"
DONE = "conversation.item.audio_output.done"
WORDS = "conversation.item.word_timestamps"
RECEIVED = "conversation.item.input_text.received"
FAILED = "conversation.item.tts.failed"
CANCELLED = "context.cancelled"
CREATED = "session.created"
UPDATED = "session.updated"


def created_event(session_id: str, settings: Mapping[str, object]) -> SessionEvent:
    """The first event of a session."""
    return _session_event(CREATED, session_id, settings)


def updated_event(
    session_id: str, settings: Mapping[str, object], context_id: str | None
) -> SessionEvent:
    """The acknowledgement of new settings, of one context or of all."""
    return {
        **_session_event(UPDATED, session_id, settings),
        **({} if context_id is None else {"context_id": context_id}),
    }


def received_event(context_id: str, text: str) -> SessionEvent:
    """The acknowledgement of text."""
    return {"type": RECEIVED, "context_id": context_id, "text": text}


def delta_event(context_id: str, item_id: str, audio: bytes) -> SessionEvent:
    """A piece of audio."""
    encoded = base64.b64encode(audio).decode("ascii")
    return {"type": DELTA, "context_id": context_id, "item_id": item_id, "delta": encoded}


def done_event(context_id: str, item_id: str) -> SessionEvent:
    """The end of an item, which is one piece of text."""
    return {"type": DONE, "context_id": context_id, "item_id": item_id}


def timestamps_event(
    context_id: str, item_id: str, words: list[TimedWord], *, nested: bool
) -> SessionEvent:
    """When words are spoken.

    Args:
        context_id: The context.
        item_id: The item to which they belong.
        words: One or more words.
        nested: Whether the lists stand under ``timestamps``.
    """
    return {
        "type": WORDS,
        "context_id": context_id,
        "item_id": item_id,
        **word_lists(words, nested=nested),
    }


def cancelled_event(context_id: str) -> SessionEvent:
    """The acknowledgement of the end of a context."""
    return {"type": CANCELLED, "context_id": context_id}


def failed_event(error: ApiError, context_id: str | None = None) -> SessionEvent:
    """What was to be spoken is not: in one context, or the session cannot begin."""
    return _error_event(FAILED, error, context_id)


def error_event(error: ApiError, context_id: str | None = None) -> SessionEvent:
    """An event of the client was refused."""
    return _error_event("error", error, context_id)


def dump(event: SessionEvent) -> str:
    """An event as it is sent."""
    # ASCII only: a text may quote a lone surrogate, which UTF-8 cannot carry.
    return json.dumps(event, separators=(",", ":"))


def _session_event(kind: str, session_id: str, settings: Mapping[str, object]) -> SessionEvent:
    session = {
        "id": session_id,
        "object": "realtime.tts.session",
        "modalities": ["text", "audio"],
        **settings,
    }
    return {"event_id": str(uuid.uuid4()), "type": kind, "session": session}


def _error_event(kind: str, error: ApiError, context_id: str | None) -> SessionEvent:
    return {
        "type": kind,
        **({} if context_id is None else {"context_id": context_id}),
        "error": error.fields(),
    }
