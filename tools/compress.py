#!/usr/bin/env python
"""The command line of detplug/cli/compress.py."""

import sys

from detplug.cli.compress import main
from detplug.cli.run import run

if __name__ == '__main__':
    sys.exit(run(main))
