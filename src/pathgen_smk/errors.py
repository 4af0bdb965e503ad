"""The exceptions that users are meant to see."""


class InputError(Exception):
    """Something that the user gave is wrong; the message says what, where, and what to do, and becomes one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class PassingError(InputError):
    """Nothing is wrong with what the user gave, but with network, disk or memory: it may be well again next time."""
