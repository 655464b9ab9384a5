"""Tables of the models, and of Kokoro's voices with players of the files that the page wrote."""

from facade import Voice
from facade._rules.catalogue import models
from facade._rules.pricing import price_of

_LANGUAGES = {
    "en-us": "English (US)",
    "en-gb": "English (UK)",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "pt-br": "Portuguese (Brazil)",
    "zh": "Mandarin",
}


def voices() -> str:
    """Write the table, by language and then by grade."""
    rows = ["| voice | language | gender | grade | the emulator |", "|---|---|---|---|---|"]
    known = models()["hexgrad/Kokoro-82M"].voices.values()
    for voice in sorted(known, key=_rank):
        player = (
            f'<audio controls preload="none" src="../_audio/guides/voices/{voice.id}.mp3" '
            f'aria-label="{voice.id}.mp3"></audio>'
        )
        rows.append(
            f"| `{voice.id}` | {_LANGUAGES[voice.language or '']} | {voice.gender} "
            f"| {voice.grade or 'none'} | {player} |"
        )
    return "\n".join(rows)


def model_table() -> str:
    """Write the table of the models."""
    rows = ["| model | voices that are known | dollars for a million characters |", "|---|---|---|"]
    for name, model in models().items():
        price = price_of(name)
        told = f"{price.usd_per_million}, as of {price.as_of}" if price else "not known"
        count = f"{len(model.voices)}, all of them" if model.has_all_voices else len(model.voices)
        rows.append(f"| `{name}` | {count} | {told} |")
    return "\n".join(rows)


def _rank(voice: Voice) -> tuple[int, str, str]:
    """By language, the best first, and those without a grade last."""
    # "A" stands before "A-", and "A-" before "B+".
    grade = (voice.grade or "Z").translate({ord("+"): "0", ord("-"): "2"}).ljust(2, "1")
    return list(_LANGUAGES).index(voice.language or ""), grade, voice.id
