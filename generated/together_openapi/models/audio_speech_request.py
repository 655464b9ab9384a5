from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.audio_speech_request_alignment import AudioSpeechRequestAlignment, check_audio_speech_request_alignment
from ..models.audio_speech_request_bit_rate import AudioSpeechRequestBitRate, check_audio_speech_request_bit_rate
from ..models.audio_speech_request_response_encoding import (
    AudioSpeechRequestResponseEncoding,
    check_audio_speech_request_response_encoding,
)
from ..models.audio_speech_request_response_format import (
    AudioSpeechRequestResponseFormat,
    check_audio_speech_request_response_format,
)
from ..models.audio_speech_request_segment import AudioSpeechRequestSegment, check_audio_speech_request_segment
from ..models.known_speech_model import KnownSpeechModel, check_known_speech_model
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.audio_speech_request_extra_params import AudioSpeechRequestExtraParams


T = TypeVar("T", bound="AudioSpeechRequest")


@_attrs_define
class AudioSpeechRequest:
    """
    Attributes:
        model (KnownSpeechModel | str): The name of the model to query.<br> <br> [See all of Together AI's chat
            models](https://docs.together.ai/docs/serverless-models#audio-models) The current supported tts models are: -
            cartesia/sonic - hexgrad/Kokoro-82M - canopylabs/orpheus-3b-0.1-ft
             Example: canopylabs/orpheus-3b-0.1-ft.
        input_ (str): Input text to generate the audio for
        voice (str): The voice to use for generating the audio. The voices supported are different for each model. For
            eg - for canopylabs/orpheus-3b-0.1-ft, one of the voices supported is tara, for hexgrad/Kokoro-82M, one of the
            voices supported is af_alloy and for cartesia/sonic, one of the voices supported is "friendly sidekick". <br>
            <br> You can view the voices supported for each model using the /v1/voices endpoint sending the model name as
            the query parameter. [View all supported voices here](https://docs.together.ai/docs/text-to-speech#supported-
            voices). <br> <br> `hexgrad/Kokoro-82M` additionally supports voice mixing, where two or more voices are
            combined into a single blended voice by joining their names with `+` (e.g. `af_bella+af_heart`). Optional per-
            voice weights can be provided in parentheses (e.g. `af_bella(2)+af_heart(1)`). Other models require a single
            voice name.
        response_format (AudioSpeechRequestResponseFormat | Unset): The format of audio output. Supported formats are
            mp3, wav, raw if streaming is false. If streaming is true, the only supported format is raw. Default: 'wav'.
        language (str | Unset): Language or locale of input text. Accepts ISO 639-1 language codes (e.g., `en`, `fr`,
            `es`, `zh`) as well as locale codes for region-specific variants. Locale codes must be lowercase (e.g., `zh-hk`
            for Cantonese).
             Default: 'en'. Example: en.
        response_encoding (AudioSpeechRequestResponseEncoding | Unset): Audio encoding of response. Only applicable when
            response_format is raw or pcm. Cartesia models respect this parameter and support all values. Orpheus, Kokoro,
            and Minimax models always return pcm_s16le regardless of this setting. Default: 'pcm_f32le'.
        sample_rate (int | Unset): Sampling rate in Hz for the output audio. Cartesia and Minimax models respect this
            parameter. Orpheus and Kokoro models always output at 24000 Hz regardless of this setting. Default: 44100.
        bit_rate (AudioSpeechRequestBitRate | Unset): Bitrate of the MP3 audio output in bits per second. Only
            applicable when response_format is mp3. Higher values produce better audio quality at larger file sizes. Default
            is 128000. Currently supported on Cartesia models. Default: 128000.
        stream (bool | Unset): If true, output is streamed for several characters at a time instead of waiting for the
            full response. The stream terminates with `data: [DONE]`. If false, return the encoded audio as octet stream
            Default: False.
        extra_params (AudioSpeechRequestExtraParams | Unset): Additional model-specific parameters that fine-tune speech
            generation behavior.
        alignment (AudioSpeechRequestAlignment | Unset): Whether word timestamps come along with the audio. Only when
            streaming.
        segment (AudioSpeechRequestSegment | Unset): How the input is cut before it is spoken. The service takes
            sentence when this is left out.
    """

    model: KnownSpeechModel | str
    input_: str
    voice: str
    response_format: AudioSpeechRequestResponseFormat | Unset = "wav"
    language: str | Unset = "en"
    response_encoding: AudioSpeechRequestResponseEncoding | Unset = "pcm_f32le"
    sample_rate: int | Unset = 44100
    bit_rate: AudioSpeechRequestBitRate | Unset = 128000
    stream: bool | Unset = False
    extra_params: AudioSpeechRequestExtraParams | Unset = UNSET
    alignment: AudioSpeechRequestAlignment | Unset = UNSET
    segment: AudioSpeechRequestSegment | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        model: str
        if isinstance(self.model, str):
            model = self.model
        else:
            model = self.model

        input_ = self.input_

        voice = self.voice

        response_format: str | Unset = UNSET
        if not isinstance(self.response_format, Unset):
            response_format = self.response_format

        language = self.language

        response_encoding: str | Unset = UNSET
        if not isinstance(self.response_encoding, Unset):
            response_encoding = self.response_encoding

        sample_rate = self.sample_rate

        bit_rate: int | Unset = UNSET
        if not isinstance(self.bit_rate, Unset):
            bit_rate = self.bit_rate

        stream = self.stream

        extra_params: dict[str, Any] | Unset = UNSET
        if not isinstance(self.extra_params, Unset):
            extra_params = self.extra_params.to_dict()

        alignment: str | Unset = UNSET
        if not isinstance(self.alignment, Unset):
            alignment = self.alignment

        segment: str | Unset = UNSET
        if not isinstance(self.segment, Unset):
            segment = self.segment

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model": model,
                "input": input_,
                "voice": voice,
            }
        )
        if response_format is not UNSET:
            field_dict["response_format"] = response_format
        if language is not UNSET:
            field_dict["language"] = language
        if response_encoding is not UNSET:
            field_dict["response_encoding"] = response_encoding
        if sample_rate is not UNSET:
            field_dict["sample_rate"] = sample_rate
        if bit_rate is not UNSET:
            field_dict["bit_rate"] = bit_rate
        if stream is not UNSET:
            field_dict["stream"] = stream
        if extra_params is not UNSET:
            field_dict["extra_params"] = extra_params
        if alignment is not UNSET:
            field_dict["alignment"] = alignment
        if segment is not UNSET:
            field_dict["segment"] = segment

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.audio_speech_request_extra_params import AudioSpeechRequestExtraParams  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_model(data: object) -> KnownSpeechModel | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                model_type_0 = check_known_speech_model(data)

                return model_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownSpeechModel | str, data)

        model = _parse_model(d.pop("model"))

        input_ = d.pop("input")

        voice = d.pop("voice")

        _response_format = d.pop("response_format", UNSET)
        response_format: AudioSpeechRequestResponseFormat | Unset
        if isinstance(_response_format, Unset):
            response_format = UNSET
        else:
            response_format = check_audio_speech_request_response_format(_response_format)

        language = d.pop("language", UNSET)

        _response_encoding = d.pop("response_encoding", UNSET)
        response_encoding: AudioSpeechRequestResponseEncoding | Unset
        if isinstance(_response_encoding, Unset):
            response_encoding = UNSET
        else:
            response_encoding = check_audio_speech_request_response_encoding(_response_encoding)

        sample_rate = d.pop("sample_rate", UNSET)

        _bit_rate = d.pop("bit_rate", UNSET)
        bit_rate: AudioSpeechRequestBitRate | Unset
        if isinstance(_bit_rate, Unset):
            bit_rate = UNSET
        else:
            bit_rate = check_audio_speech_request_bit_rate(_bit_rate)

        stream = d.pop("stream", UNSET)

        _extra_params = d.pop("extra_params", UNSET)
        extra_params: AudioSpeechRequestExtraParams | Unset
        if isinstance(_extra_params, Unset):
            extra_params = UNSET
        else:
            extra_params = AudioSpeechRequestExtraParams.from_dict(_extra_params)

        _alignment = d.pop("alignment", UNSET)
        alignment: AudioSpeechRequestAlignment | Unset
        if isinstance(_alignment, Unset):
            alignment = UNSET
        else:
            alignment = check_audio_speech_request_alignment(_alignment)

        _segment = d.pop("segment", UNSET)
        segment: AudioSpeechRequestSegment | Unset
        if isinstance(_segment, Unset):
            segment = UNSET
        else:
            segment = check_audio_speech_request_segment(_segment)

        audio_speech_request = cls(
            model=model,
            input_=input_,
            voice=voice,
            response_format=response_format,
            language=language,
            response_encoding=response_encoding,
            sample_rate=sample_rate,
            bit_rate=bit_rate,
            stream=stream,
            extra_params=extra_params,
            alignment=alignment,
            segment=segment,
        )

        audio_speech_request.additional_properties = d
        return audio_speech_request

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
