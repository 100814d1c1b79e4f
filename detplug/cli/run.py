"""Run a command line: wrong input ends with one line on stderr and exit status 2, never with a traceback."""

import os
import sys
from collections.abc import Callable, Sequence

from detplug.errors import UserError

WRONG_INPUT = 2


def run(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> int:
    """Call ``main(argv)`` and return the exit status: 2 after a :class:`UserError`, 130 after Ctrl-C.

    With DETPLUG_DEBUG=1 in the environment the whole traceback is shown.
    """
    try:
        return main(argv) or 0
    except UserError as error:
        if os.environ.get('DETPLUG_DEBUG') == '1':
            raise
        print('error: ' + ' '.join(str(error).split()), file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print('stopped; continue with --resume where the command has it', file=sys.stderr)
        return 130
