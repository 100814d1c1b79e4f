"""Run a command line: wrong input ends with one line on stderr and exit status 2, never with a traceback."""

import os
import select
import sys
from collections.abc import Callable, Sequence

from detplug.cli.machine_errors import line_of, message_of
from detplug.errors import UserError
from detplug.extras import cure_of
from detplug.outcome import note_outcome
from detplug.shadowed import check_plugins

WRONG_INPUT = 2
UNREAD = 141  # as of a program that SIGPIPE ended


def run(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> int:
    """Call ``main(argv)`` and return the exit status: 2 after a :class:`UserError`, 130 after Ctrl-C.

    The message of the interrupt is printed. A module that an extra would bring, a folder that hides our ``plugins``,
    and what the machine has too little of (:mod:`detplug.cli.machine_errors`) are such errors too.
    DETPLUG_DEBUG=1 in the environment shows the whole traceback.
    """
    try:
        check_plugins()
        status = main(argv) or 0
        sys.stdout.flush()
        return status
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return UNREAD
        line = wrong_input(error)
        if line is None:
            raise
        return _wrong(error, line)
    except KeyboardInterrupt as stopped:
        print(str(stopped) or 'stopped; continue with --resume where the command has it', file=sys.stderr)
        return 130


def _nobody_reads() -> bool:
    """Whether the reader of standard output has ended, such as ``head``; it gets nothing more then."""
    output, poll = sys.stdout.fileno(), select.poll()
    poll.register(output, 0)  # errors alone
    if not poll.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def wrong_input(error: Exception) -> str | None:
    """One line for what the user or the machine can mend; None for any other exception, which is a bug."""
    if isinstance(error, UserError):
        return message_of(error)
    if isinstance(error, ModuleNotFoundError):
        cure = cure_of(error)
        return cure and f'{error.name}: not installed; {cure}, or make setup in a checkout'
    return line_of(error) if isinstance(error, OSError | RuntimeError | MemoryError) else None


def _wrong(error: Exception, line: str) -> int:
    if os.environ.get('DETPLUG_DEBUG') == '1':
        raise error
    line = ' '.join(line.split())
    note_outcome(error=line)
    print(f'error: {line}', file=sys.stderr)
    return WRONG_INPUT
