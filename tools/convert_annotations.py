#!/usr/bin/env python
"""The command line of detplug/cli/convert_annotations.py."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert-annotations', *sys.argv[1:]]))
