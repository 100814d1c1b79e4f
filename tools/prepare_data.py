#!/usr/bin/env python
"""The command line of detplug/cli/prepare_data.py."""

import sys

from detplug.cli.prepare_data import main
from detplug.cli.run import run

if __name__ == '__main__':
    sys.exit(run(main))
