#!/usr/bin/env python
"""The command line of detplug/cli/doctor.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['doctor', *sys.argv[1:]]))
