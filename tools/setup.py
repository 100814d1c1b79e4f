#!/usr/bin/env python3.11
"""Set up everything in .venv: `make setup`. A second call does nothing; an interrupted one is continued by the next.

Needs the standard library only, and says in one line what the machine lacks (exit status 2).
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Check this Python before importing what only it can read; then set up, unless that is done already."""
    from set_up.prerequisites import SetUpError, check_python

    try:
        check_python(sys.version_info)
        from set_up.stamp import Stamp

        stamp = Stamp(ROOT)
        if stamp.is_current():
            return 0
        from set_up.environment import set_up

        set_up(ROOT, stamp)
    except SetUpError as error:
        print('error: ' + str(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nset-up interrupted; the same command continues it', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
