"""``convert_weights NAME SRC DST``: official weights to a checkpoint of this project."""

import argparse
from collections.abc import Sequence

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401
    from detplug.cli.plugin import load_plugin
    from detplug.engine.checkpoint import load_file
    from detplug.engine.converters import convert
    from detplug.outcome import note_outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file; returns the exit status."""
    parser = argparse.ArgumentParser(prog='convert_weights', description=__doc__)
    parser.add_argument('name', help='converter, named as its plugin')
    parser.add_argument('source', help='official file')
    parser.add_argument('target', help='checkpoint to write, .pth')
    args = parser.parse_args(argv)
    load_plugin(args.name)
    convert(args.name, args.source, args.target)
    print(load_file(args.target)['meta'].get('converted', f'converted {args.source}'))
    note_outcome(checkpoint=args.target)
    print(f'checkpoint {args.target}')
    return 0
