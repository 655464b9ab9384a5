"""What a client is built with: key, address, time limits."""

import copy
import math
import pickle
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

import facade
from facade import AsyncSpeechClient, RetryPolicy, SpeechClient, Timeouts
from facade._transport.config import (
    DEFAULT_BASE_URL,
    DEFAULT_MAX_AUDIO_BYTES,
    Config,
    Secret,
    secret,
)
from facade.errors import InvalidRequestError

KEY = "tgp_v1_abcdefghijklmnopqrstuvwxyz"
DEFAULTS: dict[str, Any] = {
    "key": secret(KEY),
    "base_url": None,
    "timeouts": Timeouts(),
    "retry": RetryPolicy(),
    "max_audio_bytes": DEFAULT_MAX_AUDIO_BYTES,
    "validate_voices": True,
    "headers": None,
    "httpx_args": None,
    "insecure_hosts": (),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)


def read(**given: Any) -> Config:
    return Config.read(**DEFAULTS | given)


def refusal(**given: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        read(**given)
    return caught.value


# --- the key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, "!", "~", "a-b_c.d/e+f="])
def test_the_key_is_kept(key: str) -> None:
    assert str(read(key=secret(key)).key) == key


def test_the_environment_is_read_when_a_client_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    monkeypatch.setenv("TOGETHER_BASE_URL", "https://one.example/v1")
    config = read(key=None)
    assert (str(config.key), str(config.base_url)) == (KEY, "https://one.example/v1")
    monkeypatch.setenv("TOGETHER_API_KEY", "another")
    monkeypatch.setenv("TOGETHER_BASE_URL", "")
    config = read(key=None)
    assert (str(config.key), str(config.base_url)) == ("another", "https://api.together.ai/v1")
    config = read(key=secret("given"), base_url="https://two.example")
    assert (str(config.key), str(config.base_url)) == ("given", "https://two.example")


# Each holds "sesame", which must be seen nowhere.
BAD_KEYS: dict[str, tuple[object, str]] = {
    "newline": ("sesame-1234\n", "has a space or a line end around it; strip it"),
    "space before": (" sesame-1234", "has a space or a line end around it; strip it"),
    "space inside": ("open sesame", "no printable ASCII character, or a space"),
    "newline inside": ("open\nsesame", "no printable ASCII character, or a space"),
    "NUL": ("sesame\0", "no printable ASCII character, or a space"),
    "not ASCII": ("sesame\u2026", "no printable ASCII character, or a space"),
    "half a character": ("sesame\udc80", "no printable ASCII character, or a space"),
    "bytes": (b"sesame", "is empty, or no string"),
    "list": (["sesame"], "is empty, or no string"),
    "empty": ("", "is empty, or no string"),
    "blank": (" \n", "is empty, or no string"),
}


def frames_of_ours(error: BaseException) -> str:
    """The traceback as error reporters show it, with local variables, as far as it is ours."""
    home = str(Path(facade.__file__).parent)
    ours = [
        frame
        for frame in traceback.walk_tb(error.__traceback__)
        if frame[0].f_code.co_filename.startswith(home)
    ]
    assert ours
    return "".join(traceback.StackSummary.extract(iter(ours), capture_locals=True).format())


@pytest.mark.parametrize("case", BAD_KEYS)
@pytest.mark.parametrize(
    "build",
    [lambda key: read(key=secret(key)), SpeechClient, AsyncSpeechClient],
    ids=["config", "sync", "async"],
)
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(
    case: str, build: Callable[[object], object]
) -> None:
    key, reason = BAD_KEYS[case]
    with pytest.raises(InvalidRequestError) as caught:
        build(key)
    error = caught.value
    assert error.param == "api_key"
    assert reason in error.message
    assert "TOGETHER_API_KEY" in error.message or reason != "is empty, or no string"
    shown = f"{error} {error!r} {vars(error)} {error.args} {frames_of_ours(error)}"
    assert "sesame" not in shown
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_key_is_asked_for_by_name() -> None:
    error = refusal(key=None)
    assert str(error) == (
        "api_key: is not set; pass it, or set the environment variable TOGETHER_API_KEY; "
        "https://api.together.ai/settings/api-keys has yours"
    )


@pytest.mark.parametrize("value", ["", " \n"])
def test_a_key_that_is_empty_in_the_environment_is_not_set(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", value)
    assert refusal(key=None).message.startswith("is not set; pass it")


def test_a_bad_key_in_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "open sesame")
    error = refusal(key=None)
    assert error.message.startswith("TOGETHER_API_KEY has a character in it")
    assert "sesame" not in f"{error} {frames_of_ours(error)}"


@pytest.mark.parametrize("param", ["base_url", "headers", "httpx_args", "timeouts"])
def test_other_mistakes_do_not_show_the_key(param: str) -> None:
    error = refusal(**{param: 7})
    assert KEY not in f"{error} {frames_of_ours(error)}"


def test_a_key_shows_itself_nowhere() -> None:
    config = read(headers={"x-trace": "t"}, httpx_args={"proxy": f"http://{KEY}@h:1"})
    for shown in (repr(config), str(config), repr(config.key), repr({"key": config.key})):
        assert KEY not in shown
    assert repr(secret(KEY)) == "'[secret]'"
    assert secret(None) is None


@pytest.mark.parametrize("travel", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_does_not_travel(travel: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="a key cannot be pickled or copied"):
        travel(Secret(KEY))


# --- the address -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "used", "address"),
    [
        (None, "https://api.together.ai/v1", "api.together.ai:443"),
        ("  https://proxy.example/v1 \n", "https://proxy.example/v1", "proxy.example:443"),
        ("https://api.together.ai", "https://api.together.ai/v1", "api.together.ai:443"),
        ("https://api.together.ai/", "https://api.together.ai/v1", "api.together.ai:443"),
        ("https://api.together.xyz", "https://api.together.xyz/v1", "api.together.xyz:443"),
        ("https://api.together.xyz/v1", "https://api.together.xyz/v1", "api.together.xyz:443"),
        ("https://API.together.ai/v2", "https://api.together.ai/v2", "api.together.ai:443"),
        ("https://proxy.example", "https://proxy.example", "proxy.example:443"),
        ("https://proxy.example:8443/a@b", "https://proxy.example:8443/a@b", "proxy.example:8443"),
        ("http://localhost:8000", "http://localhost:8000", "localhost:8000"),
        ("http://speech.localhost", "http://speech.localhost", "speech.localhost:80"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/", "127.0.0.1:8000"),
        ("http://127.8.8.8", "http://127.8.8.8", "127.8.8.8:80"),
        ("http://[::1]:8000", "http://[::1]:8000", "[::1]:8000"),
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000", "10.0.0.7:8000"),
        ("http://tts.internal", "http://tts.internal", "tts.internal:80"),
    ],
)
def test_the_address_is_what_was_given(base_url: str | None, used: str, address: str) -> None:
    config = read(base_url=base_url, insecure_hosts=("10.0.0.7", "tts.internal"))
    assert str(config.base_url) == used
    assert config.address == address


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("", "'' is no http(s) URL"),
        ("api.together.ai/v1", "is no http(s) URL"),
        ("ftp://api.together.ai", "is no http(s) URL"),
        ("https://", "is no http(s) URL"),
        ("https:///v1", "is no http(s) URL"),
        ("https://host:port/", "is no URL: Invalid port"),
        ("https://host:0/v1", "'https://host:0/v1' has a port that there is not"),
        ("https://host:65536", "has a port that there is not"),
        ("https://host:-1", "has a port that there is not"),
        ("https://host\x07/", "is no URL: Invalid non-printable ASCII character"),
        ("https://host/a b", "'https://host/a b' has a space or a line end in it"),
        ("https://ho\nst/", "has a space or a line end in it"),
        ("https://h/v1?key=1", "must end after its path"),
        ("https://h/v1?", "must end after its path"),
        ("https://h/v1#x", "must end after its path"),
        ("https://h/v1#", "must end after its path"),
        ("http://api.together.ai/v1", "insecure_hosts=('api.together.ai',)"),
        ("http://10.0.0.7", "insecure_hosts=('10.0.0.7',)"),
        ("http://0.0.0.0", "insecure_hosts=('0.0.0.0',)"),
        ("http://localhost.example", "insecure_hosts=('localhost.example',)"),
        (7, "must be a string, not int"),
        (b"https://h", "must be a string, not bytes"),
        (httpx.URL("https://h"), "must be a string, not URL"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(base_url: object, reason: str) -> None:
    error = refusal(base_url=base_url)
    assert error.param == "base_url"
    assert reason in error.message


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:sesame@host/v1",
        " https://user:sesame@host/v1",
        "https://sesame@host/v1",
        "https://user:sesame@host:port/v1",
        "http://user:sesame@localhost",
        "//user:sesame@host",
        "user:sesame@host/v1",
        "https:/user:sesame@host",
        # What is not quoted ends the password early, but not for who reads it.
        "https://user:open/sesame@host",
        "https://user:open?sesame@host",
        "https://user:open#sesame@host",
        "https://user:open\\sesame@host",
    ],
)
@pytest.mark.parametrize("build", [SpeechClient, AsyncSpeechClient])
def test_a_password_in_the_address_is_refused_and_not_shown(
    build: Callable[..., object], base_url: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(KEY, base_url=base_url)
    error = caught.value
    assert str(error) == (
        "base_url: must not hold a user name or password, nor an @ outside its path"
    )
    assert "sesame" not in frames_of_ours(error)
    assert error.__cause__ is error.__context__ is None


def test_an_address_of_the_environment_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", "proxy.example\n")
    assert refusal().message == "TOGETHER_BASE_URL='proxy.example' is no http(s) URL"
    monkeypatch.setenv("TOGETHER_BASE_URL", " \n")
    assert str(read().base_url) == DEFAULT_BASE_URL


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {"x-token": "sesame\n"}},
        {"headers": {"x-token": "sesame", "x": 1}},
        {"headers": ["sesame"]},
        {"httpx_args": {"auth": ("user", "sesame")}},
        {"httpx_args": {"proxy": "http://user:sesame@h:1"}, "headers": 1},
        {"httpx_args": {"proxy": "http://user:sesame@h:1"}, "max_audio_bytes": 0},
        {"base_url": "https://host:port", "headers": {"x-token": "sesame"}},
    ],
)
def test_no_other_mistake_shows_a_secret(given: dict[str, Any]) -> None:
    error = refusal(**given)
    assert "sesame" not in f"{error} {frames_of_ours(error)}"
    assert error.__cause__ is None or error.__cause__.__traceback__ is None


def build_while_handling(error: Exception, **settings: Any) -> None:
    try:
        raise error
    except KeyError:
        SpeechClient(KEY, **settings)


@pytest.mark.parametrize("given", [{"base_url": "https://host:port"}, {"httpx_args": {"proxy": 7}}])
def test_what_the_application_was_handling_keeps_its_traceback(given: dict[str, Any]) -> None:
    theirs = KeyError("the application's")
    with pytest.raises(InvalidRequestError) as caught:
        build_while_handling(theirs, **{"base_url": "https://host", **given})
    assert theirs.__traceback__ is not None
    assert caught.value.__context__ is theirs


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("user:sesame@h:3128", "does the proxy's address begin with 'http://'?"),
        ("foo://user:sesame@h:3128", "Unknown scheme for proxy URL"),
        ("http://user:sesame@h:99999", "the proxy h has a port that there is not: 99999"),
        ("http://user:sesame@h:port", "Invalid port"),
    ],
)
@pytest.mark.parametrize("build", [SpeechClient, AsyncSpeechClient])
def test_a_proxy_that_cannot_be_used_does_not_show_its_password(
    build: Callable[..., object], proxy: str, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match="httpx cannot be set up so") as caught:
        build(KEY, base_url="https://host", httpx_args={"proxy": proxy})
    error = caught.value
    assert reason in str(error)
    assert "sesame" not in f"{error} {error.__cause__} {frames_of_ours(error)}"
    assert error.__cause__ is None or error.__cause__.__traceback__ is None
    assert error.__context__ is None


def test_hosts_are_named_whole() -> None:
    error = refusal(base_url="http://internal", insecure_hosts="tts.internal")
    assert str(error) == (
        "insecure_hosts: must be a collection of names, such as ('tts.internal',)"
    )


# --- headers, httpx_args, limits ---------------------------------------------------------------


def test_headers_are_added_to_ours() -> None:
    headers = read(headers={"X-Trace": "a b\tc", "x-empty": ""}).headers
    assert headers["x-trace"] == "a b\tc"
    assert headers["x-empty"] == ""
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("together-speech/")


def test_a_user_agent_of_the_caller_s_takes_the_place_of_ours() -> None:
    sent = httpx.Headers(dict(read(headers={"User-Agent": "mine"}).headers))
    assert sent.get_list("user-agent") == ["mine"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Authorization": "Bearer x"}, "'Authorization' is set by the client"),
        ({"ACCEPT-ENCODING": "gzip"}, "is set by the client"),
        ({"content-type": "x"}, "is set by the client"),
        ({"Content-Length": "1"}, "is set by the client"),
        ({"transfer-encoding": "chunked"}, "is set by the client"),
        ({"x": 1}, "must be a string, and its value too"),
        ({1: "x"}, "must be a string, and its value too"),
        *(
            ({name: "x"}, "a character that no header may have")
            for name in ("", " x", "x y", "x:", "x\n", "ü")
        ),
        *(
            ({"x": value}, "a character that no header may have")
            for value in (" x", "x ", "x\n", "x\r\ny: z", "x\0", "ü", "\x7f")
        ),
        ([("x", "y")], "must be a mapping, not list"),
        ("x", "must be a mapping, not str"),
    ],
)
def test_headers_that_are_ours_or_cannot_be_sent_are_refused(headers: object, reason: str) -> None:
    error = refusal(headers=headers)
    assert error.param == "headers"
    assert reason in error.message


def test_httpx_args_are_handed_on_as_a_copy() -> None:
    given = {"proxy": "http://localhost:3128", "verify": False}
    config = read(httpx_args=given)
    assert config.httpx_args == given
    given.clear()
    assert config.httpx_args
    assert read().httpx_args == {}


@pytest.mark.parametrize(
    ("httpx_args", "reason"),
    [
        ({"timeout": 5}, "'timeout' is the client's; use timeouts"),
        ({"cookies": {"a": "b"}}, "'cookies' is the client's; use headers"),
        ({"headers": {}}, "use headers"),
        ({"auth": ("a", "b")}, "use api_key"),
        ({"base_url": "x"}, "use base_url"),
        ({"follow_redirects": True}, "neither text nor key may go to another address"),
        ({"event_hooks": {}}, "use a transport of your own"),
        ([("verify", False)], "must be a mapping, not list"),
    ],
)
def test_httpx_args_that_are_the_client_s_are_refused(httpx_args: object, reason: str) -> None:
    error = refusal(httpx_args=httpx_args)
    assert error.param == "httpx_args"
    assert reason in error.message


@pytest.mark.parametrize(
    ("param", "value", "reason"),
    [
        ("max_audio_bytes", 0, "must be a number of bytes from 1, not 0"),
        ("max_audio_bytes", 1e6, "not 1000000.0"),
        ("max_audio_bytes", True, "not True"),
        ("timeouts", 5, "must be Timeouts, not 5"),
        ("timeouts", None, "must be Timeouts, not None"),
        ("retry", 3, "must be RetryPolicy, not 3"),
    ],
)
def test_a_limit_of_the_wrong_kind_is_refused(param: str, value: object, reason: str) -> None:
    error = refusal(**{param: value})
    assert error.param == param
    assert reason in error.message


def test_the_largest_answer_is_256_mib_unless_said_otherwise() -> None:
    assert DEFAULT_MAX_AUDIO_BYTES == 268_435_456
    assert read(max_audio_bytes=1).max_audio_bytes == 1


@pytest.mark.parametrize("name", ["connect_s", "read_s", "first_audio_s", "total_s"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1_000_001, 10**400, "5", None, True])
def test_a_time_limit_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Timeouts(**{name: value})
    assert caught.value.param == f"timeouts.{name}"
    assert caught.value.message == (f"must be above 0 and at most 1,000,000 seconds, not {value!r}")


def test_time_limits_are_values_and_travel() -> None:
    limits = Timeouts(connect_s=0.5, read_s=1, total_s=1_000_000)
    assert pickle.loads(pickle.dumps(limits)) == limits  # noqa: S301
    with pytest.raises(AttributeError):
        limits.total_s = 1  # type: ignore[misc]
    assert Timeouts() == Timeouts(connect_s=10, read_s=120, total_s=600)


def test_the_user_agent_names_the_installed_version() -> None:
    agent = read().headers["user-agent"]
    assert agent.startswith(f"together-speech/{version('together-speech')} python/")
