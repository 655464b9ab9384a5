"""The API's error answer."""

import json


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        status: The HTTP status code.
        message: What is wrong, for a human reader.
        param: The request field at fault, if it is one field.
        code: A stable name of the failure, if there is one.
        error_type: What stands beside the error, if anything does.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        error_type: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.error_type = error_type

    @property
    def type(self) -> str:
        """The class of the failure, which follows from the status."""
        if self.status >= 500:
            return "server_error"
        return _TYPES.get(self.status, "invalid_request_error")

    def fields(self) -> dict[str, str | None]:
        """What an answer or an event says of it."""
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }

    def body(self) -> bytes:
        """The error answer as JSON."""
        # ASCII only: a message may quote a lone surrogate, which UTF-8 cannot carry.
        beside = {"error_type": self.error_type} if self.error_type is not None else {}
        return json.dumps({"error": self.fields(), **beside}).encode("ascii")


class ToldError(Exception):
    """Speaking failed, and the client has been told."""


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def quoted(value: str) -> str:
    """A value of the request as an error message shows it, cut to a readable length."""
    return json.dumps(value if len(value) <= 80 else value[:79] + "…", ensure_ascii=False)
