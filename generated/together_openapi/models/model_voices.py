from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.voice_details import VoiceDetails


T = TypeVar("T", bound="ModelVoices")


@_attrs_define
class ModelVoices:
    """
    Attributes:
        model (str | Unset):
        voices (list[str | VoiceDetails] | Unset):
    """

    model: str | Unset = UNSET
    voices: list[str | VoiceDetails] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.voice_details import VoiceDetails  # noqa: PLC0415

        model = self.model

        voices: list[dict[str, Any] | str] | Unset = UNSET
        if not isinstance(self.voices, Unset):
            voices = []
            for voices_item_data in self.voices:
                voices_item: dict[str, Any] | str
                if isinstance(voices_item_data, VoiceDetails):
                    voices_item = voices_item_data.to_dict()
                else:
                    voices_item = voices_item_data
                voices.append(voices_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if model is not UNSET:
            field_dict["model"] = model
        if voices is not UNSET:
            field_dict["voices"] = voices

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.voice_details import VoiceDetails  # noqa: PLC0415

        d = dict(src_dict)
        model = d.pop("model", UNSET)

        _voices = d.pop("voices", UNSET)
        voices: list[str | VoiceDetails] | Unset = UNSET
        if _voices is not UNSET:
            voices = []
            for voices_item_data in _voices:

                def _parse_voices_item(data: object) -> str | VoiceDetails:
                    try:
                        if not isinstance(data, dict):
                            raise TypeError()
                        componentsschemas_listed_voice_type_0 = VoiceDetails.from_dict(data)

                        return componentsschemas_listed_voice_type_0
                    except (TypeError, ValueError, AttributeError, KeyError):
                        pass
                    return cast(str | VoiceDetails, data)

                voices_item = _parse_voices_item(voices_item_data)

                voices.append(voices_item)

        model_voices = cls(
            model=model,
            voices=voices,
        )

        model_voices.additional_properties = d
        return model_voices

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
