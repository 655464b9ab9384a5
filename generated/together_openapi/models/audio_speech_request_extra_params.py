from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="AudioSpeechRequestExtraParams")


@_attrs_define
class AudioSpeechRequestExtraParams:
    """Additional model-specific parameters that fine-tune speech generation behavior.

    Attributes:
        pronunciation_dict (list[str] | Unset): A list of pronunciation rules for specific characters or symbols. Each
            entry uses the format `"<source>/<replacement>"` (e.g., `["omg/oh my god"]`) to override how the model
            pronounces matching tokens. Example: ['omg/oh my god'].
    """

    pronunciation_dict: list[str] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        pronunciation_dict: list[str] | Unset = UNSET
        if not isinstance(self.pronunciation_dict, Unset):
            pronunciation_dict = self.pronunciation_dict

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if pronunciation_dict is not UNSET:
            field_dict["pronunciation_dict"] = pronunciation_dict

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        pronunciation_dict = cast(list[str], d.pop("pronunciation_dict", UNSET))

        audio_speech_request_extra_params = cls(
            pronunciation_dict=pronunciation_dict,
        )

        audio_speech_request_extra_params.additional_properties = d
        return audio_speech_request_extra_params

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
