"""The data file."""

from together_emulator.catalogue import models


def test_the_models() -> None:
    assert list(models())[:5] == [
        "hexgrad/Kokoro-82M",
        "canopylabs/orpheus-3b-0.1-ft",
        "cartesia/sonic",
        "cartesia/sonic-2",
        "cartesia/sonic-3",
    ]
    assert [name for name, model in models().items() if model.mixing] == ["hexgrad/Kokoro-82M"]
    assert all(name == model.name for name, model in models().items())


def test_no_voice_is_named_twice() -> None:
    for model in models().values():
        assert len(set(model.voices)) == len(model.voices)
        assert not any(character in voice for voice in model.voices for character in "+()")


def test_a_group_of_kokoro_voices_fits_on_the_grid() -> None:
    voices = models()["hexgrad/Kokoro-82M"].voices
    assert len(voices) == 54
    groups = [voice[:2] for voice in voices]
    assert max(groups.count(group) for group in groups) <= 11
