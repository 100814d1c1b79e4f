"""Split a data set for open-set semi-supervised learning: labelled slides without unknown objects, and the rest.

detplug openset-split TRAIN.json --unknown NAME [NAME ...] --share 0.2 --out splits.json
detplug openset-split CONFIG.py --unknown NAME [NAME ...] --neighbours 15 --out splits.json     (its training images)
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detplug.cli.run import run
from detplug.errors import UserError

from .split_sources import SplitImage, read_images


@dataclass(frozen=True)
class Rule:
    """Which images may be labelled.

    Attributes:
        unknown: names of the classes that nobody labelled.
        ignore: names of objects that nobody verified; each may be an unknown one.
        share: of all images that is labelled, above 0 and at most 1; at least one image.
        seed: of the order in which slides are drawn.
    """

    unknown: Sequence[str]
    ignore: Sequence[str] = ()
    share: float = 0.2
    seed: int = 0

    def allows(self, image: SplitImage) -> bool:
        """Whether an image holds no object that may be unknown."""
        return not image.names & {*self.unknown, *self.ignore}


def split_images(images: Sequence[SplitImage], rule: Rule) -> dict[str, list[str]]:
    """File names of images that keep their labels, that count as unlabelled, and that are left out.

    Slides are drawn, not images: fields of view of one slide overlap or look alike, so a slide is labelled or
    unlabelled as a whole. Images of a labelled slide that hold an unknown or an ignored object are left out. Slides are
    drawn until the share of all images is labelled; then, for each known class that no labelled image holds, the first
    slide of the order that has it is taken too: a class without a labelled example cannot be learnt.

    Returns:
        ``labelled``, ``unlabelled``, ``left_out``; no image is in two of them.

    Raises:
        UserError: no image may be labelled, or none of those of a known class.
    """
    if not 0 < rule.share <= 1:
        raise UserError(f'--share {rule.share}: give a number above 0 and at most 1')
    images = sorted(images, key=lambda image: image.file_name)
    slides = sorted({image.slide for image in images})
    order = [slides[i] for i in np.random.default_rng(rule.seed).permutation(len(slides))]
    clean: dict[str, list[SplitImage]] = {slide: [] for slide in order}
    for image in filter(rule.allows, images):
        clean[image.slide].append(image)
    order = [slide for slide in order if clean[slide]]
    if not order:
        raise UserError('every image holds an unknown or an ignored class; nothing can be labelled')
    taken, count = [], 0
    while count < max(1, round(rule.share * len(images))) and len(taken) < len(order):
        taken.append(order[len(taken)])
        count += len(clean[taken[-1]])
    for name in sorted(set().union(*(image.names for image in images)) - {*rule.unknown, *rule.ignore}):
        having = [slide for slide in order if any(name in image.names for image in clean[slide])]
        if not having:
            raise UserError(
                f'{name}: every image that holds one holds an unknown or an ignored object too, so none can be '
                'labelled; give it after --unknown or --ignore'
            )
        if not set(having) & set(taken):
            taken.append(having[0])
    labelled = {image.file_name for slide in taken for image in clean[slide]}
    of_slides = {image.file_name for image in images if image.slide in taken}
    return dict(
        labelled=sorted(labelled),
        unlabelled=[image.file_name for image in images if image.file_name not in of_slides],
        left_out=sorted(of_slides - labelled),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the split that the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog='openset-split', description=__doc__.splitlines()[0])
    parser.add_argument('source', help='COCO json of the training images, or a config (.py) that trains on them')
    parser.add_argument('--unknown', nargs='+', default=[], help='classes that count as never named')
    parser.add_argument(
        '--ignore', nargs='+', default=[], help='classes that nobody verified; a config has its own too'
    )
    parser.add_argument('--images-file', help='only the images that this file lists, as of the data sets')
    parser.add_argument('--images-key', nargs='+', help='name of the list in a json file, or several')
    slides = parser.add_mutually_exclusive_group()
    slides.add_argument('--slide', metavar='REGEX', help="what of a file name is its slide's or patient's name")
    slides.add_argument('--slide-field', metavar='NAME', help='of the images in the COCO json, such as patient_id')
    slides.add_argument('--neighbours', type=int, metavar='N', help='each N consecutive numbers in file names: a slide')
    parser.add_argument('--share', type=float, default=0.2, help='of the images that keeps its labels')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', required=True, help='json file with the lists labelled, unlabelled and left_out')
    args = parser.parse_args(argv)
    source = read_images(args)
    for option in ('unknown', 'ignore'):
        strange = sorted(set(getattr(args, option)) - set(source.names))
        if strange:
            raise UserError(f'--{option} {strange[0]}: no such category; {args.source} has {", ".join(source.names)}')
    rule = Rule(args.unknown, [*source.ignore, *args.ignore], args.share, args.seed)
    lists = split_images(source.images, rule)
    content = dict(unknown=args.unknown, slides=source.slides, seed=args.seed, share=args.share, **lists)
    Path(args.out).write_text(json.dumps(content, indent=1) + '\n')
    counts = (
        f'{len(lists["labelled"])} labelled, {len(lists["unlabelled"])} unlabelled, {len(lists["left_out"])} left out'
    )
    print(f'{args.out}: {counts}; drawn by {source.slides}')
    return 0


if __name__ == '__main__':
    sys.exit(run(main))
