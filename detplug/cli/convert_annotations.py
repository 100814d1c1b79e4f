"""``convert-annotations SRC DST --to FORMAT``: annotations of one tool for another; the format of SRC is detected.

Written: coco, yolo, voc, geojson (QuPath), label-studio (of predict's results: pre-annotations). Read: these, cvat,
via, exports of Roboflow (COCO, YOLO, VOC), and predictions (the folder of predict --out).
"""

import argparse
from collections import Counter
from collections.abc import Sequence

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError
from detplug.outcome import note_outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Convert as the command line says; returns the exit status."""
    parser = CommandParser(
        prog='convert-annotations', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', metavar='SRC', help='file or folder of the annotations')
    parser.add_argument('target', metavar='DST', help='folder to write; images are linked into it')
    parser.add_argument('--to', required=True, metavar='FORMAT', help='coco, yolo, voc, geojson, label-studio')
    parser.add_argument('--from', dest='form', metavar='FORMAT', help='of SRC; by default detected')
    parser.add_argument('--images', metavar='DIR', help='folder of the images; by default looked for near SRC')
    parser.add_argument('--rename', nargs='+', default=[], metavar='OLD=NEW', help='class names')
    args = parser.parse_args(argv)
    from detplug.data.formats.convert import convert

    form, done = convert(args.source, args.target, args.to, args.form, args.images, _renamed(args.rename))
    print(f'{args.source}: {form}')
    print(', '.join(f'{count} {name}' for name, count in done.counts.items()))
    kinds = Counter(line.partition(': ')[0] for line in done.anomalies)
    for kind, times in kinds.most_common():
        print(f'{times:6d} x {kind}')
    note_outcome(source=form, counts=done.counts, images=len(done.links), anomalies=kinds, out=args.target)
    print(f'{args.target}: {args.to}, {len(done.links)} images; {sum(kinds.values())} anomalies in anomalies.txt')
    return 0


def _renamed(texts: Sequence[str]) -> dict[str, str]:
    """Old name -> new name.

    Raises:
        UserError: no OLD=NEW, or an old name twice.
    """
    renamed: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.rpartition('=')
        if not equals or not old or not new.strip():
            raise UserError(f'--rename {text}: give OLD=NEW')
        if old in renamed:
            raise UserError(f'--rename {text}: {old} is renamed twice; leave one out')
        renamed[old] = new
    return renamed
