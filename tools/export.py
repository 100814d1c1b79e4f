#!/usr/bin/env python
"""The command line of detplug/cli/export.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['export', *sys.argv[1:]]))
