"""Split a COCO data set for open-set semi-supervised learning: a labelled share without unknown objects, and the rest.

python -m plugins.openset.split TRAIN.json --unknown NAME [NAME ...] --share 0.2 --seed 0 --out splits.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.cli.run import run
from detplug.data.coco_file import read_json
from detplug.data.image_lists import read_image_list, select_images
from detplug.data.records import ImageRecord
from detplug.errors import UserError


def split_images(content: dict, unknown: Sequence[str], share: float, seed: int) -> dict[str, list[str]]:
    """``labelled`` and ``unlabelled`` file names of all images of a COCO file.

    Images are drawn at random; then, for each known class that no labelled image holds, the first image of the order
    that holds it is taken too: a class without a labelled example cannot be learnt.

    Args:
        content: a COCO annotation file.
        unknown: names of the classes that nobody labelled; no labelled image holds one.
        share: of all images that is labelled, 0 to 1; at least one image.
        seed: of the order.

    Raises:
        UserError: a name that the file does not have, a share outside 0..1, no image without unknown objects.
    """
    names = {item['id']: item['name'] for item in content['categories']}
    strange = sorted(set(unknown) - set(names.values()))
    if strange:
        raise UserError(f'--unknown {strange[0]}: no such category; the file has {", ".join(names.values())}')
    if not 0 < share <= 1:
        raise UserError(f'--share {share}: give a number above 0 and at most 1')
    held: dict[int, set[str]] = {image['id']: set() for image in content['images']}
    for item in content['annotations']:
        held[item['image_id']].add(names[item['category_id']])
    images = sorted(content['images'], key=lambda image: image['file_name'])
    order = [images[i] for i in np.random.default_rng(seed).permutation(len(images))]
    clean = [image for image in order if not held[image['id']] & set(unknown)]
    if not clean:
        raise UserError('every image holds an unknown class; nothing can be labelled')
    count = max(1, round(share * len(images)))
    labelled = clean[:count]
    for name in names.values():
        seen = set().union(*(held[image['id']] for image in labelled))
        if name not in unknown and name not in seen:
            labelled += [image for image in clean[count:] if name in held[image['id']]][:1]
    chosen = {image['file_name'] for image in labelled}
    return dict(labelled=sorted(chosen), unlabelled=[x['file_name'] for x in images if x['file_name'] not in chosen])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the split that the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog='split', description=__doc__.splitlines()[0])
    parser.add_argument('annotations', help='COCO json of the training images')
    parser.add_argument('--unknown', nargs='+', default=[], help='classes that count as never named')
    parser.add_argument('--images-file', help='only the images that this file lists, as of the data sets')
    parser.add_argument('--images-key', help='name of the list in a json file')
    parser.add_argument('--share', type=float, default=0.2, help='of the images that keeps its labels')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', required=True, help='json file with the lists labelled and unlabelled')
    args = parser.parse_args(argv)
    content = read_json(args.annotations)
    if args.images_file:
        records = [ImageRecord(image['id'], image['file_name'], 0, 0) for image in content['images']]
        names = read_image_list(args.images_file, args.images_key)
        ids = {record.img_id for record in select_images(records, names, args.images_file)}
        content['images'] = [image for image in content['images'] if image['id'] in ids]
        content['annotations'] = [item for item in content['annotations'] if item['image_id'] in ids]
    lists = split_images(content, args.unknown, args.share, args.seed)
    Path(args.out).write_text(json.dumps(dict(lists, seed=args.seed, share=args.share), indent=1) + '\n')
    print(f'{len(lists["labelled"])} labelled and {len(lists["unlabelled"])} unlabelled images: {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(run(main))
