"""What a command says in one line is an exception with that line in Python; nothing ends the program."""

from collections.abc import Iterator
from contextlib import contextmanager

from detplug.cli.run import wrong_input
from detplug.errors import UserError
from detplug.shadowed import check_plugins


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what the user or the machine can mend into a :class:`UserError`; a bug stays the exception that it is.

    Raises:
        UserError: with the line that the command prints.
    """
    try:
        check_plugins()
        yield
    except UserError:
        raise
    except Exception as error:
        line = wrong_input(error)
        if line is None:
            raise
        raise UserError(' '.join(line.split())) from error
    except SystemExit as end:  # a signal asked the training to stop, or a value that no option of a command takes
        raise UserError(f'ended early, status {end.code}; a stopped training goes on with --resume') from end
