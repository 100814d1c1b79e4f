#!/usr/bin/env python
"""The command line of detplug/cli/count.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['count', *sys.argv[1:]]))
