"""The one exception that users see: a line that names the file, the field and the cure."""


class UserError(ValueError):
    """Wrong input of a user; the command line prints it as one line and exits with status 2.

    Args:
        message: one line, ``FILE: FIELD: what is wrong; what to do``.
    """
