from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.stream_sentinel_stream_signal import StreamSentinelStreamSignal, check_stream_sentinel_stream_signal

T = TypeVar("T", bound="StreamSentinel")


@_attrs_define
class StreamSentinel:
    """
    Attributes:
        data (StreamSentinelStreamSignal):
    """

    data: StreamSentinelStreamSignal
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data: str = self.data

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        data = check_stream_sentinel_stream_signal(d.pop("data"))

        stream_sentinel = cls(
            data=data,
        )

        stream_sentinel.additional_properties = d
        return stream_sentinel

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
