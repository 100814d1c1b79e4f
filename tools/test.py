#!/usr/bin/env python
"""The command line of detplug/cli/test.py."""

import sys

from detplug.cli.run import run
from detplug.cli.test import main

if __name__ == '__main__':
    sys.exit(run(main))
