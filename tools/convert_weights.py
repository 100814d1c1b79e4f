#!/usr/bin/env python
"""The command line of detplug/cli/convert_weights.py."""

import sys

from detplug.cli.convert_weights import main
from detplug.cli.run import run

if __name__ == '__main__':
    sys.exit(run(main))
