from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AudioSpeechStreamChunk")


@_attrs_define
class AudioSpeechStreamChunk:
    """
    Attributes:
        object_ (Literal['audio.tts.chunk']): The object type, which is always `audio.tts.chunk`.
        model (str):  Example: cartesia/sonic.
        b64 (str): base64 encoded audio stream
    """

    object_: Literal["audio.tts.chunk"]
    model: str
    b64: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        object_ = self.object_

        model = self.model

        b64 = self.b64

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "object": object_,
                "model": model,
                "b64": b64,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        object_ = cast(Literal["audio.tts.chunk"], d.pop("object"))
        if object_ != "audio.tts.chunk":
            raise ValueError(f"object must match const 'audio.tts.chunk', got '{object_}'")

        model = d.pop("model")

        b64 = d.pop("b64")

        audio_speech_stream_chunk = cls(
            object_=object_,
            model=model,
            b64=b64,
        )

        audio_speech_stream_chunk.additional_properties = d
        return audio_speech_stream_chunk

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
