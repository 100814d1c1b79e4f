#!/usr/bin/env python
"""The command line of detplug/cli/prepare_data.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['prepare_data', *sys.argv[1:]]))
