#!/usr/bin/env python
"""The command line of detplug/cli/convert_weights.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert_weights', *sys.argv[1:]]))
