"""Downloads that hold one COCO file a split (Roboflow exports, Chula): linked as they are, after checks."""

from collections.abc import Mapping
from pathlib import Path

from detplug.data.coco_file import read_coco
from detplug.data.prepare import Prepared, check_records, count_records, link_images
from detplug.errors import UserError


def read_splits(src: Path, splits: Mapping[str, tuple[str, str]], names: tuple[str, ...]) -> Prepared:
    """Link each split's json to ``annotations/SPLIT.json`` and its images to ``SPLIT/``.

    Args:
        splits: split -> (json, image folder), relative to ``src``.
        names: class names the json may have; another name is an anomaly.

    Raises:
        UserError: a json is missing or broken.
    """
    out = Prepared()
    for split, (file, folder) in splits.items():
        if not (src / file).is_file():
            raise UserError(f'{src / file}: not found; give the folder of the unpacked download')
        declared, records, anomalies = read_coco(src / file)
        images = src / folder
        out.anomalies += anomalies + [f'unknown label: {src / file}: {name}' for name in declared if name not in names]
        out.anomalies += check_records(records, lambda record, images=images: images / record.file_name)
        out.counts |= count_records(records, f'{split} ')
        out.links |= {f'annotations/{split}.json': src / file} | link_images(records, images, split)
    return out
