"""Which failure is worth another attempt, and after how long."""

import math
import pickle
from decimal import Decimal
from typing import Any

import pytest

from facade._rules.retry import BACK_OFF_S, JITTER_S, MAX_BACK_OFF_S, RetryPolicy
from facade.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    EmptyAudioError,
    InvalidRequestError,
    RateLimitError,
    SpeechError,
    StreamInterruptedError,
)


def status(code: int, retry_after_s: float | None = None) -> APIStatusError:
    return APIStatusError("no", status_code=code, headers={}, retry_after_s=retry_after_s)


BACK_OFF, GIVE_UP = True, False


@pytest.mark.parametrize("code", range(201, 600))
def test_only_the_statuses_of_passing_troubles_are_tried_again(code: int) -> None:
    passing = {429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529, 530}
    decision = RetryPolicy().decide(status(code), attempt=1, left_s=60)
    assert decision is (BACK_OFF if code in passing else GIVE_UP)


def test_other_statuses_may_be_named() -> None:
    """Who must not be billed twice leaves out those behind which some work may have been done."""
    policy = RetryPolicy(statuses={503, 429, 408})
    again = [code for code in range(400, 600) if policy.decide(status(code), attempt=1, left_s=60)]
    assert again == [408, 429, 503]
    assert policy == RetryPolicy(statuses=[429, 503, 408, 408])
    assert RetryPolicy(statuses=range(400, 600)).statuses == tuple(range(400, 600))
    assert not RetryPolicy(statuses=()).decide(status(503, 1.0), attempt=1, left_s=60)


@pytest.mark.parametrize(
    ("error", "by_default", "resending"),
    [
        # Could not connect: nothing was sent.
        (APIConnectionError("refused", request_sent=False, transient=True), BACK_OFF, BACK_OFF),
        (APITimeoutError("connecting", request_sent=False, transient=True), BACK_OFF, BACK_OFF),
        # A certificate that is not trusted.
        (APIConnectionError("TLS", request_sent=False, transient=False), GIVE_UP, GIVE_UP),
        # It may have been processed, and billed.
        (APITimeoutError("no answer", request_sent=True, transient=True), GIVE_UP, BACK_OFF),
        (APIConnectionError("reset", request_sent=True, transient=True), GIVE_UP, BACK_OFF),
        (APIConnectionError("too large", request_sent=True, transient=False), GIVE_UP, GIVE_UP),
        # The service's words, or the caller's mistake.
        (APIError("no"), GIVE_UP, GIVE_UP),
        (EmptyAudioError("nothing"), GIVE_UP, GIVE_UP),
        # A stream that broke: what was heard is not said again.
        (StreamInterruptedError("cut", bytes_received=0), GIVE_UP, BACK_OFF),
        (StreamInterruptedError("cut", bytes_received=1), GIVE_UP, GIVE_UP),
        (InvalidRequestError("no", param="text"), GIVE_UP, GIVE_UP),
        (SpeechError("closed"), GIVE_UP, GIVE_UP),
        (KeyboardInterrupt(), GIVE_UP, GIVE_UP),
        (ValueError("not ours"), GIVE_UP, GIVE_UP),
    ],
)
def test_what_may_have_been_processed_is_not_sent_again_unless_asked(
    error: BaseException, by_default: bool, resending: bool
) -> None:
    assert RetryPolicy().decide(error, attempt=1, left_s=60) is by_default
    policy = RetryPolicy(resend_after_timeout=True)
    assert policy.decide(error, attempt=1, left_s=60) is resending


@pytest.mark.parametrize(
    ("attempts", "attempt", "decision"),
    [(1, 1, GIVE_UP), (2, 1, BACK_OFF), (2, 2, GIVE_UP), (3, 2, BACK_OFF), (3, 3, GIVE_UP)],
)
def test_a_request_is_sent_no_more_often_than_allowed(
    attempts: int, attempt: int, decision: bool
) -> None:
    policy = RetryPolicy(attempts=attempts)
    assert policy.decide(status(503), attempt=attempt, left_s=60) is decision
    if decision is GIVE_UP:
        assert policy.decide(status(503, 0.0), attempt=attempt, left_s=60) is GIVE_UP


@pytest.mark.parametrize(
    ("asked_s", "left_s", "decision"),
    [
        (2.5, 60.0, 2.5),
        (60.0, 60.0, 60.0),
        (60.1, 60.0, GIVE_UP),
        (3600.0, 60.0, GIVE_UP),
        (0.075, 0.1, 0.075),
        (0.0, 60.0, 0.0),
        (0.0, -1.0, GIVE_UP),
    ],
)
def test_the_service_s_wait_is_kept_to_exactly_or_not_begun(
    asked_s: float, left_s: float, decision: float
) -> None:
    error = RateLimitError("slow", status_code=429, headers={}, retry_after_s=asked_s)
    decided = RetryPolicy().decide(error, attempt=1, left_s=left_s)
    assert decided == decision
    # A bool is an answer, and a number a wait.
    assert isinstance(decided, bool) == (decision is GIVE_UP)


def test_a_wait_is_of_no_use_to_what_does_not_pass() -> None:
    assert RetryPolicy().decide(status(400, 1.0), attempt=1, left_s=60) is GIVE_UP


@pytest.mark.parametrize(
    ("attempt", "longest_s"),
    [(1, 1.0), (2, 1.5), (3, 2.5), (4, 4.5), (5, 8.0), (6, 8.0), (5000, 8.0)],
)
def test_a_back_off_that_does_not_fit_is_not_begun(attempt: int, longest_s: float) -> None:
    assert (BACK_OFF_S, JITTER_S, MAX_BACK_OFF_S) == (0.5, 0.5, 8.0)
    policy = RetryPolicy(attempts=10_000)
    assert policy.decide(status(503), attempt=attempt, left_s=longest_s) is BACK_OFF
    assert policy.decide(status(503), attempt=attempt, left_s=longest_s - 0.01) is GIVE_UP


def test_the_defaults_are_those_that_are_documented() -> None:
    policy = RetryPolicy()
    assert (policy.attempts, policy.budget_s, policy.resend_after_timeout) == (3, 60, False)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        *(({"attempts": value}, "retry.attempts") for value in (0, -1, 1.0, "3", None, True)),
        *(
            ({"budget_s": value}, "retry.budget_s")
            for value in (-1, math.nan, math.inf, 10**400, "60", None, True, Decimal(5))
        ),
        *(
            ({"statuses": value}, "retry.statuses")
            for value in (429, "429", None, [399], [600], [429.0], [True], ["429"])
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(given: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        RetryPolicy(**given)
    assert caught.value.param == param
    (value,) = given.values()
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("budget_s", [0, 0.5, 60, 1_000_000])
def test_policies_are_values_and_travel(budget_s: float) -> None:
    policy = RetryPolicy(
        attempts=2, budget_s=budget_s, resend_after_timeout=True, statuses={429, 503}
    )
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301
    with pytest.raises(AttributeError):
        policy.attempts = 9  # type: ignore[misc]
