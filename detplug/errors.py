"""The one exception that users see: a line that names the file, the field and the cure."""

from typing import Any


class UserError(ValueError):
    """Wrong input of a user; the command line prints it as one line and exits with status 2.

    Args:
        message: one line, ``FILE: FIELD: what is wrong; what to do``.
    """


class ImageError(UserError):
    """An image file that cannot be used: listed where a command goes through many, else the end of the command."""


def one_line(text: Any, longest: int = 120) -> str:
    """``text`` from a file for a message: printable, one line, not too long."""
    text = str(text)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= longest else f'{text[:longest]}...'
