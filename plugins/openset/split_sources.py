"""The images that a split divides: their objects' names and their slides, from a COCO json or a training config."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mmdet.registry import DATASETS

from detplug.cli.config import load_config
from detplug.data.checked import CheckedDataset
from detplug.data.coco_file import read_json
from detplug.data.dataset_config import innermost_datasets
from detplug.data.image_lists import read_image_list, select_images
from detplug.data.records import ImageRecord
from detplug.errors import UserError

SLIDE_FIELDS = ('slide_id', 'slide', 'patient_id', 'patient')  # of an image in a COCO json, looked for in this order
IMAGES = 'image, as nothing tells slides; --slide, --slide-field or --neighbours do'


@dataclass(frozen=True)
class SplitImage:
    """``names``: classes of its objects; ``slide``: images of one slide or patient have one name here."""

    file_name: str
    slide: str
    names: frozenset[str]


@dataclass(frozen=True)
class SplitSource:
    """``names``: all classes; ``ignore``: those that the source ignores; ``slides``: what tells slides, in words."""

    images: list[SplitImage]
    names: tuple[str, ...]
    ignore: tuple[str, ...]
    slides: str


def read_images(args: argparse.Namespace) -> SplitSource:
    """The images of ``args.source`` with the slides that the options of the command tell.

    Raises:
        UserError: a source that is neither, a file name that tells no slide, a field that an image does not have.
    """
    if args.source.endswith('.py'):
        for option in ('images_file', 'images_key', 'slide_field'):
            if getattr(args, option):
                raise UserError(f'--{option.replace("_", "-")}: a config has its own images; give it with a COCO json')
        source = from_config(args.source)
    else:
        source = from_coco(args.source, args.images_file, args.images_key, args.slide_field)
    if args.slide:
        return by_slide(source, part_of_name(args.slide), f'slide, {args.slide!r} of the file name')
    if args.neighbours is not None:
        number = number_of_block(source.images, args.neighbours)
        return by_slide(source, number, f'block of {args.neighbours} consecutive numbers in file names')
    return source


def from_config(path: str) -> SplitSource:
    """All training images of a config whose data sets check their names.

    Raises:
        UserError: no training data, or those of another kind.
    """
    config = load_config(path)
    parts = list(innermost_datasets((config.get('train_dataloader') or {}).get('dataset') or {}))
    images, names, ignore = {}, {}, {}
    for part in parts:
        dataset = DATASETS.build(dict(part, pipeline=[]))
        if not isinstance(dataset, CheckedDataset):
            raise UserError(
                f'{path}: train_dataloader: {type(dataset).__name__} is no data set with annotations; give a '
                'config that trains on all images with their labels'
            )
        ids = {dataset.get_data_info(i)['img_id'] for i in range(len(dataset))}
        for record in dataset.read()[1]:
            if record.img_id in ids:
                held = frozenset(item.name for item in record.objects)
                images[record.file_name] = SplitImage(record.file_name, record.file_name, held)
        names |= dict.fromkeys(x for group in dataset.names.values() for x in group)
        ignore |= dict.fromkeys(dataset.names['ignore_classes'])
    if not images:
        raise UserError(f'{path}: train_dataloader: no images to split')
    return SplitSource(list(images.values()), tuple(names), tuple(ignore), IMAGES)


def from_coco(path: str, images_file: str | None, keys: Sequence[str] | None, field: str | None) -> SplitSource:
    """The images of a COCO json, of them those that ``images_file`` lists; slides by ``field`` or a known one.

    Raises:
        UserError: no such list or image, or an image without the field.
    """
    content = read_json(path)
    names = {item['id']: item['name'] for item in content['categories']}
    held: dict[int, set[str]] = {image['id']: set() for image in content['images']}
    for item in content['annotations']:
        held[item['image_id']].add(names[item['category_id']])
    entries = content['images']
    if images_file:
        records = [ImageRecord(image['id'], image['file_name'], 0, 0) for image in entries]
        listed = read_image_list(images_file, keys)
        ids = {record.img_id for record in select_images(records, listed, images_file)}
        entries = [image for image in entries if image['id'] in ids]
    if field is None:
        field = next((x for x in SLIDE_FIELDS if all(image.get(x) is not None for image in entries)), None)
    without = [image['file_name'] for image in entries if field is not None and image.get(field) is None]
    if without:
        raise UserError(f'{path}: --slide-field {field}: image {without[0]} has no such field')
    images = [
        SplitImage(
            image['file_name'], str(image['file_name'] if field is None else image[field]), frozenset(held[image['id']])
        )
        for image in entries
    ]
    return SplitSource(images, tuple(names.values()), (), IMAGES if field is None else f'slide, the field {field}')


def by_slide(source: SplitSource, slide_of: Callable[[str], str], words: str) -> SplitSource:
    """The source with the slides that ``slide_of`` gives to file names."""
    images = [replace(image, slide=slide_of(image.file_name)) for image in source.images]
    return replace(source, images=images, slides=words)


def part_of_name(pattern: str) -> Callable[[str], str]:
    """File name -> what the pattern's first group matches of it, or the whole match.

    Raises:
        UserError: no regular expression; of the function, a name that it does not match.
    """
    try:
        rule = re.compile(pattern)
    except re.error as error:
        raise UserError(f'--slide {pattern}: no regular expression: {error}') from None

    def slide(name: str) -> str:
        match = rule.search(name)
        if match is None or (rule.groups and match[1] is None):
            raise UserError(f'--slide {pattern}: does not match the file name {name}')
        return match[1] if rule.groups else match[0]

    return slide


def number_of_block(images: Sequence[SplitImage], size: int) -> Callable[[str], str]:
    """File name -> its block of ``size`` consecutive numbers, counted from the smallest number of ``images``.

    Raises:
        UserError: a size below 2, a name without a number.
    """
    if size < 2:
        raise UserError(f'--neighbours {size}: give 2 or more, or leave it out to draw images')

    def number(name: str) -> int:
        digits = re.findall(r'\d+', PurePosixPath(Path(name).as_posix()).stem)
        if not digits:
            raise UserError(f'--neighbours {size}: the file name {name} has no number')
        return int(digits[-1])

    first = min(number(image.file_name) for image in images)
    return lambda name: str((number(name) - first) // size)
