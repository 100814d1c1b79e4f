"""A slide with another stain, light, focus or magnification than the training pictures is named before its counts."""

import csv
import json

import cv2
import numpy as np
import pytest
from results_folder import write_results

from detplug.cli.main import main

SIDE = 200


def picture(seed: int, radius: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((SIDE, SIDE, 3), 225, np.uint8)
    for x, y in rng.integers(0, SIDE, (25, 2)).tolist():
        cv2.circle(image, (x, y), radius, (150, 90, 170), -1)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


CHANGES = {
    'same': lambda image: image,
    'dark': lambda image: (image * 0.5).astype(np.uint8),
    'stained': lambda image: np.clip(image * np.array([1.0, 0.75, 1.05]), 0, 255).astype(np.uint8),
    'blurred': lambda image: cv2.GaussianBlur(image, (0, 0), 4),
    'magnified': lambda image: image,
}


@pytest.fixture
def profile(tmp_path):
    folder = tmp_path / 'data'
    images, annotations = [], []
    (folder / 'images').mkdir(parents=True)
    for i in range(8):
        cv2.imwrite(str(folder / 'images' / f'{i}.png'), picture(i))
        images.append(dict(id=i, file_name=f'{i}.png', width=SIDE, height=SIDE))
        annotations += [dict(id=20 * i + k, image_id=i, category_id=1, bbox=[9 * k, 9 * k, 18, 18], iscrowd=0)
                        for k in range(15)]  # fmt: skip
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='egg')])
    (folder / 'train.json').write_text(json.dumps(content))
    path = tmp_path / 'appearance.json'
    words = ['inspect', str(folder), '--out', str(tmp_path), '--appearance', str(path)]
    assert main(words) == 0
    return path


def test_each_change_is_named_and_no_slide_like_training(profile, tmp_path, capsys):
    pictures, items = {}, []
    for number, (name, change) in enumerate(CHANGES.items()):
        path = tmp_path / f'{name}.png'
        cv2.imwrite(str(path), change(picture(100 + number)))
        side = 60 if name == 'magnified' else 18
        pictures[str(path)] = [('egg', 0.9, (k, k, k + side, k + side)) for k in range(12)]
        items.append(dict(number=number, name=str(path), path=str(path), kind='image', index=0, size=None))
    run = write_results(tmp_path / 'run', pictures)
    (run / 'inputs.jsonl').write_text(''.join(f'{json.dumps(item)}\n' for item in items))
    assert main(['count', str(run), '--appearance', str(profile)]) == 0
    with open(run / 'counts.csv', newline='') as file:
        said = {row['slide'].rpartition('/')[2]: row['unlike_training'] for row in csv.DictReader(file)}
    assert said['same.png'] == ''
    expected = {'dark': 'brightness', 'stained': 'stain', 'blurred': 'focus', 'magnified': 'magnification'}
    assert {name: word in said[f'{name}.png'] for name, word in expected.items()} == dict.fromkeys(expected, True)
    lines = capsys.readouterr().out.splitlines()
    warned = [i for i, line in enumerate(lines) if 'do not believe' in line]
    assert len(warned) == 4 and max(warned) < next(i for i, line in enumerate(lines) if line.startswith('5 slides'))


def test_a_wrong_profile_is_one_line(profile, tmp_path, capsys):
    run = write_results(tmp_path / 'run', {'1.png': []})
    assert main(['count', str(run), '--appearance', str(tmp_path / 'nothing')]) == 2
    profile.write_text('{}')
    assert main(['count', str(run), '--appearance', str(profile)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
