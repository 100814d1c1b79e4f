"""Roboflow 100, data set parasites-1s07h, exported as COCO: train, valid and test with _annotations.coco.json each."""

from pathlib import Path

from detplug.data.prepare import Prepared
from detplug.data.sources.coco_splits import read_splits

# the first is Roboflow's group name: a category without boxes
NAMES = (
    'parasites',
    'Ancylostoma Spp',
    'Ascaris Lumbricoides',
    'Enterobius Vermicularis',
    'Fasciola Hepatica',
    'Hymenolepis',
    'Schistosoma',
    'Taenia Sp',
    'Trichuris Trichiura',
)
OFFICIAL = {'train images': 1484, 'valid images': 215}  # huggingface.co/datasets/Francesco/parasites-1s07h


def read_rf100_parasites(src: Path) -> Prepared:
    """annotations/{train,valid,test}.json and the images of each split."""
    out = read_splits(
        src, {split: (f'{split}/_annotations.coco.json', split) for split in ('train', 'valid', 'test')}, NAMES
    )
    out.official = OFFICIAL
    return out
