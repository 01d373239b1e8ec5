"""TMDB's own error codes, as far as the emulator answers with them."""

# code: HTTP status, message
CODES: dict[int, tuple[int, str]] = {
    6: (404, "Invalid id: The pre-requisite id is invalid or not found."),
    7: (401, "Invalid API key: You must be granted a valid key."),
    9: (503, "Service offline: This service is temporarily offline, try again later."),
    11: (500, "Internal error: Something went wrong, contact TMDB."),
    20: (422, "Invalid date range: Should be a range no longer than 14 days."),
    22: (400, "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."),
    23: (400, "Invalid date: Format needs to be YYYY-MM-DD."),
    24: (504, "Your request to the backend server timed out. Try again."),
    25: (429, "Your request count (#) is over the allowed limit of (40)."),
    27: (400, "Too many append to response objects: The maximum number of remote calls is 20."),
    34: (404, "The resource you requested could not be found."),
    42: (405, "This request method is not supported for this resource."),
    43: (502, "Couldn't connect to the backend server."),
    47: (400, "The input is not valid."),
}


class Refusal(Exception):
    """TMDB answers with an error body; *code* is TMDB's, not HTTP's."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.status, self.message = CODES[code]
        super().__init__(self.message)

    def body(self) -> dict[str, object]:
        """The error in the shape TMDB sends."""
        return {"success": False, "status_code": self.code, "status_message": self.message}
