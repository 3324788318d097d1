"""What can go wrong, in sentences a user can act on.

Every expected failure is a `SprigError` whose text quotes the offending value and names the remedy. The command line
prints it and exits with 2; the server turns it into an LSP error or a log line. Anything else is a bug.
"""


class SprigError(Exception):
    """An expected failure; the message is one clear sentence."""


class InvalidInput(SprigError):
    """What the user typed or configured cannot be used."""


class InvalidBundle(SprigError):
    """A folder is not a bundle that this version can load."""


class DamagedIndex(SprigError):
    """The index cannot be read any more; it is thrown away and built anew."""


class Cancelled(SprigError):
    """The work was stopped because nobody waits for its result any more."""

    def __init__(self) -> None:
        super().__init__("the request was cancelled")


class NotParsed(SprigError):
    """A text is so large or so deep that it was not parsed; the message says why."""
