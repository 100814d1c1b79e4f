#!/usr/bin/env python
"""The command line of detplug/cli/demo.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['demo', *sys.argv[1:]]))
