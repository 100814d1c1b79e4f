#!/usr/bin/env python
"""The command line of detplug/cli/test.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
