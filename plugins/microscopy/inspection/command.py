"""``inspect DATA``: what is wrong with a data set before a training is spent on it; exit status 1 where that would be.

DATA is a file or folder in any format that convert-annotations reads. inspect.html shows the findings with pictures.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.progress import Progress

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError
from detplug.outcome import note_outcome
from detplug.work_folder import default_folder

SHOWN = 5  # lines of a finding on the screen


def main(argv: Sequence[str] | None = None) -> int:
    """Inspect as the command line says; returns the exit status: 1 where something would spoil a training."""
    parser = CommandParser(prog='inspect', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', metavar='DATA', help='annotations: a file or a folder')
    parser.add_argument('--from', dest='form', metavar='FORMAT', help='of DATA; by default detected')
    parser.add_argument('--images', metavar='DIR', help='folder of the images; by default looked for near DATA')
    parser.add_argument('--img-size', type=int, default=640, help='side of the network input, px; by default 640')
    parser.add_argument('--window', type=float, nargs=2, metavar=('LOW', 'HIGH'),
                        help='pixel values that become black and white, of images of more than 8 bit')  # fmt: skip
    parser.add_argument('--results', metavar='RESULTS', help='of predict, by a detector that was not trained on these '
                        'images: labels that it contradicts')  # fmt: skip
    parser.add_argument('--out', metavar='D', help='folder of inspect.html; by default work_dirs/DATA-inspect')
    parser.add_argument('--appearance', metavar='FILE',
                        help='write what the training pictures look like, for count --appearance')  # fmt: skip
    parser.add_argument('--json', action='store_true', help='all findings as json on the screen, nothing else')
    args = parser.parse_args(argv)
    if args.img_size < 1:
        raise UserError(f'--img-size {args.img_size}: give the pixels of a side, such as 640')
    from detplug.data.formats.formats import read_set
    from detplug.images.window import check_window
    from detplug.runtime.results import read_results
    from detplug.runtime.review_gallery import write_text

    from .appearance import write_profile
    from .inspect_set import inspect_set, training_profile
    from .page import inspection_page
    from .suspicious import suspicious_labels

    window = check_window(args.window, '--window')
    form, found = read_set(args.data, args.form, args.images)
    images = sum(len(split.records) for split in found.splits)
    with Progress(transient=True, disable=args.json) as progress:
        task = progress.add_task('images', total=images)
        seen = inspect_set(found, (args.img_size,) * 2, window, lambda: progress.advance(task))
    if args.appearance is not None:
        write_profile(Path(args.appearance), training_profile(found, window))
    if args.results is not None:
        more = [x for x in suspicious_labels(found, read_results(args.results)) if x.items]
        seen = replace(seen, findings=[*seen.findings, *more])
    out = Path(args.out or default_folder(args.data, 'inspect'))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / 'inspect.html', inspection_page(f'Inspection of {args.data}', seen))
    entries = [asdict(finding) for finding in seen.findings]
    whole = dict(format=form, counts=seen.counts, sizes=seen.sizes, spoiled=seen.spoiled, findings=entries)
    note_outcome(**whole)
    if args.json:
        print(json.dumps(whole, indent=1))
        return int(seen.spoiled)
    if args.appearance is not None:
        print(f'appearance {args.appearance}')
    print(f'{args.data}: {form}, {images} images')
    for name, counts in seen.counts.items():
        print(f'{name}: {", ".join(f"{count} {what}" for what, count in counts.items())}')
    print('\n'.join(seen.sizes))
    for finding in seen.findings:
        mark = 'SPOILS A TRAINING' if finding.severity == 'spoils' else 'look at'
        print(f'{mark}: {finding.kind}: {len(finding.items)}; {finding.cure}')
        for line in finding.items[:SHOWN]:
            print(f'  {line}')
    print(f'{"something would spoil a training" if seen.spoiled else "nothing would spoil a training"}; '
          f'pictures: {out / "inspect.html"}')  # fmt: skip
    return int(seen.spoiled)
