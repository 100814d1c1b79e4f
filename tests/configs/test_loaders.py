"""What every data set of boxes repeats is in one file."""

from pathlib import Path

import pytest

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
DATASETS = sorted(path.name for path in (CONFIGS / '_base_' / 'datasets').glob('*.py'))


@pytest.mark.parametrize('name', DATASETS)
def test_a_mixed_data_set_takes_its_loader_from_the_base(name):
    assert "type='MixDataset'" not in (CONFIGS / '_base_' / 'datasets' / name).read_text()
    assert "type='MixDataset'" in (CONFIGS / '_base_' / 'loaders.py').read_text()
