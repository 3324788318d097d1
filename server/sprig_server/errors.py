"""Expected failures, as sentences that a user can act on.

Every expected failure is a `SprigError`. Its text quotes the offending value and names the remedy. The command line
prints it and exits with 2; the server turns it into an LSP error or a log line. Any other exception is a bug.
"""


class SprigError(Exception):
    """An expected failure; the message is one clear sentence."""


class InvalidInput(SprigError):
    """A value that the user typed or configured cannot be used."""


class InvalidBundle(SprigError):
    """A folder is not a bundle that this version can load."""


class DamagedIndex(SprigError):
    """The index is damaged. It is deleted and built again."""


class Cancelled(SprigError):
    """The work was stopped because nobody waits for its result."""

    def __init__(self) -> None:
        super().__init__("the request was cancelled")


class NotParsed(SprigError):
    """A text was not parsed because it is too large or too deep; the message says why."""
