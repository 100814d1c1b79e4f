#!/usr/bin/env python
"""The command line of detplug/cli/inspect.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['inspect', *sys.argv[1:]]))
