"""COCO 2017: train2017.zip, val2017.zip and annotations_trainval2017.zip unpacked into one folder."""

from pathlib import Path

from detplug.data.coco_file import read_coco
from detplug.data.prepare import Prepared, check_records, count_records, link_images
from detplug.errors import UserError

# https://cocodataset.org: images and boxes of the instances files
OFFICIAL = {'train2017 images': 118287, 'train2017 boxes': 860001, 'val2017 images': 5000, 'val2017 boxes': 36781}


def read_coco2017(src: Path) -> Prepared:
    """Both splits keep COCO's own layout: annotations/instances_SPLIT.json, SPLIT/*.jpg."""
    out = Prepared(official=OFFICIAL)
    for split in ('train2017', 'val2017'):
        file = src / 'annotations' / f'instances_{split}.json'
        if not file.is_file():
            raise UserError(f'{file}: not found; unpack annotations_trainval2017.zip into {src}')
        names, records, anomalies = read_coco(file)
        folder = src / split
        out.counts |= count_records(records, f'{split} ') | {f'{split} classes': len(names)}
        out.anomalies += anomalies + check_records(records, lambda record, folder=folder: folder / record.file_name)
        out.links |= {f'annotations/{file.name}': file} | link_images(records, folder, split)
    return out
