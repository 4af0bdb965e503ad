"""The one exception that users are meant to see."""


class InputError(Exception):
    """Something that the user gave is wrong; the message is one line that says what, where, and what to do."""
