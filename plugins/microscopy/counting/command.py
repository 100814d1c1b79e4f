"""``count RESULTS``: objects a slide, patient or folder with intervals, from what ``predict --out RESULTS`` wrote.

count RESULTS --by slide                                          counts.csv, counts.html
count RESULTS --targets ring --red-cells RBC ring                 burden.csv: parasites per 1,000 red cells
count RESULTS --targets ascaris --grams 0.0417                    eggs per gram
count VAL_RESULTS --truth val.json --sensitivity 0.9 --calibrate FILE|BUNDLE     thresholds a class
count RESULTS --calibration FILE|BUNDLE                           counts corrected for missed and invented objects
count RESULTS --truth test.json --targets ascaris                 sensitivity, specificity, limit of detection
"""

import argparse
from collections.abc import Sequence

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError

CALIBRATING = ('sensitivity', 'false_alarms')
COUNTING = (  # options that have no effect while thresholds are chosen
    'groups', 'pattern', 'score_thr', 'calibration', 'interval', 'targets', 'red_cells', 'white_cells', 'red_per_ul',
    'white_per_ul', 'grams', 'positive_from', 'shares', 'out', 'confidence', 'by', 'appearance', 'window',
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Choose thresholds or count, as the command line says; returns the exit status."""
    args = make_parser().parse_args(argv)
    check_options(args)
    from .count import calibrate, count

    return calibrate(args) if args.calibrate else count(args)


def make_parser() -> argparse.ArgumentParser:
    """The command line. Defaults are None where an option that was given must be told from one that was not."""
    parser = CommandParser(prog='count', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', metavar='RESULTS', help='folder that predict --out wrote')
    parser.add_argument('--out', help='folder of the tables; by default RESULTS')
    grouping = parser.add_argument_group('groups')
    grouping.add_argument('--by', choices=('slide', 'patient', 'folder', 'picture'),
                          help='what is counted together; by default slide: the pictures of one file')  # fmt: skip
    grouping.add_argument('--groups', metavar='CSV', help='columns file_name and slide or patient')
    grouping.add_argument('--pattern', metavar='REGEX', help='the slide or patient in the name of a picture')
    counting = parser.add_argument_group('counts')
    counting.add_argument('--score-thr', nargs='+', metavar='T|CLASS=T', help='lowest scores that count')
    counting.add_argument('--calibration', metavar='FILE|BUNDLE', help='what --calibrate wrote')
    counting.add_argument('--appearance', metavar='FILE',
                          help='what inspect --appearance wrote: name groups unlike the training pictures')  # fmt: skip
    counting.add_argument('--window', type=float, nargs=2, metavar=('LOW', 'HIGH'),
                          help='of pictures of more than 8 bit, for --appearance')  # fmt: skip
    counting.add_argument('--interval', choices=('poisson', 'bootstrap'), help='limits; bootstrap draws pictures')
    counting.add_argument('--confidence', type=inner_share, help='of all limits; by default 0.95')
    burden = parser.add_argument_group('burden')
    burden.add_argument('--targets', nargs='+', metavar='CLASS', help='parasites or eggs')
    burden.add_argument('--red-cells', nargs='+', metavar='CLASS', help='all classes of red cells, infected ones too')
    burden.add_argument('--white-cells', nargs='+', metavar='CLASS', help='all classes of white cells')
    burden.add_argument('--red-per-ul', type=positive, help='red cells in a microlitre of this blood')
    burden.add_argument('--white-per-ul', type=positive, help='white cells in a microlitre of this blood')
    burden.add_argument('--grams', type=positive, help='of stool that the pictures of a group show')
    truth = parser.add_argument_group('against a truth')
    truth.add_argument('--truth', metavar='FILE', help='COCO json; or csv: the --by, class, count')
    truth.add_argument('--positive-from', type=int, help='count that makes a group positive; by default 1')
    truth.add_argument('--shares', choices=('wilson', 'exact'), help='limits of sensitivity and specificity')
    choosing = parser.add_argument_group('thresholds on validation pictures')
    choosing.add_argument('--calibrate', metavar='FILE|BUNDLE', help='write thresholds there; needs --truth')
    wish = choosing.add_mutually_exclusive_group()
    wish.add_argument('--sensitivity', type=inner_share, help='share of the objects of each class that is found')
    wish.add_argument('--false-alarms', type=not_negative, help='at most so many a picture, of each class')
    return parser


def check_options(args: argparse.Namespace) -> None:
    """Refuse options without effect.

    Raises:
        UserError: there is one, or one that is needed is missing.
    """
    flag = '--{}'.format
    given = {name.replace('_', '-') for name, value in vars(args).items() if value is not None}
    wishes = [name.replace('_', '-') for name in CALIBRATING if getattr(args, name) is not None]
    if args.calibrate:
        useless = [name for name in (x.replace('_', '-') for x in COUNTING) if name in given]
        if useless:
            raise UserError(f'{flag(useless[0])}: has no effect with --calibrate; leave it out')
        if not wishes or not args.truth:
            raise UserError('--calibrate: needs --truth FILE and one of --sensitivity S, --false-alarms N')
        return
    if wishes:
        raise UserError(f'{flag(wishes[0])}: chooses thresholds; add --calibrate FILE')
    needs = {
        'red-cells': 'targets', 'white-cells': 'white-per-ul', 'red-per-ul': 'red-cells', 'white-per-ul': 'white-cells',
        'grams': 'targets', 'positive-from': 'truth', 'shares': 'truth', 'truth': 'targets', 'window': 'appearance',
    }  # fmt: skip
    for name, other in needs.items():
        if name in given and other not in given:
            raise UserError(f'{flag(name)}: needs {flag(other)} too; add it')
    if 'white-cells' in given and 'targets' not in given:
        raise UserError('--white-cells: needs --targets too; add it')
    if 'targets' in given and not given & {'red-cells', 'white-cells', 'grams', 'truth'}:
        raise UserError('--targets: needs one of --red-cells, --white-cells, --grams, --truth; add it')
    if args.positive_from is not None and args.positive_from < 1:
        raise UserError(f'--positive-from {args.positive_from}: give 1 or more')


def inner_share(text: str) -> float:
    """A number above 0 and below 1."""
    return _number(text, lambda value: 0 < value < 1, 'above 0 and below 1')


def positive(text: str) -> float:
    """A finite number above 0."""
    return _number(text, lambda value: 0 < value < float('inf'), 'a number above 0')


def not_negative(text: str) -> float:
    """A finite number from 0 on."""
    return _number(text, lambda value: 0 <= value < float('inf'), 'a number from 0 on')


def _number(text: str, allowed, words: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float('nan')
    if not allowed(value):
        raise argparse.ArgumentTypeError(f'{text} is not {words}')
    return value
