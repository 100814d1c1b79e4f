"""``python -m detplug``: the command ``detplug``, where its script is not on the path."""

import sys

from detplug.cli.main import main

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
