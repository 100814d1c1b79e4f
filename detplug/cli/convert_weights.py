"""``convert_weights NAME SRC DST``: official weights to a checkpoint of this project."""

import argparse
import importlib
import importlib.util
from collections.abc import Sequence

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401
    from detplug.engine.checkpoint import load_file
    from detplug.engine.converters import CONVERTERS, convert


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file; returns the exit status."""
    parser = argparse.ArgumentParser(prog='convert_weights', description=__doc__)
    parser.add_argument('name', help='converter, named as its plugin: yolov5')
    parser.add_argument('source', help='official file, such as yolov5n.pt')
    parser.add_argument('target', help='checkpoint to write, .pth')
    args = parser.parse_args(argv)
    load_plugin(args.name)
    convert(args.name, args.source, args.target)
    print(load_file(args.target)['meta'].get('converted', f'converted {args.source}'))
    print(f'checkpoint {args.target}')
    return 0


def load_plugin(name: str) -> None:
    """Import ``plugins.NAME`` where it exists, which registers its converter; other names are left to the registry."""
    if name not in CONVERTERS and name.isidentifier() and importlib.util.find_spec(f'plugins.{name}'):
        with quiet_imports():
            importlib.import_module(f'plugins.{name}')
