#!/usr/bin/env python3
"""Set up everything in .venv: `make setup`. A second call does nothing; an interrupted one is continued by the next.

Needs the standard library only, and says in one line what the machine lacks (exit status 2).
`--ops torch` takes mmcv's operators in plain torch (the default), `--ops compiled` compiles mmcv's own.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    """Check this Python before importing what only it can read; then set up, unless that is done already."""
    from set_up.supported import SetUpError, check_python

    try:
        check_python(sys.version_info)
        from set_up.command import command

        command(ROOT, sys.argv[1:])
    except SetUpError as error:
        sys.stderr.write('error: ' + str(error) + '\n')
        return 2
    except KeyboardInterrupt:
        sys.stderr.write('\nset-up interrupted; the same command continues it\n')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
