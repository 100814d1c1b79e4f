"""Law: nothing in a checkpoint is executed, whichever way it is read. Each payload is shown to work without us."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import mmengine.runner.checkpoint as stock
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from tiny_training import build, write_images
from torch import nn

from detplug.engine.checkpoint import load_file, load_weights
from detplug.errors import UserError


class Payload:
    """Unpickling one creates a file."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture
def marker(tmp_path) -> Path:
    """Path that appears when a payload runs."""
    path = tmp_path / 'executed'
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists(), 'the payload does nothing: the test could not fail'
    path.rmdir()
    return path


def hostile_pickles(marker: Path) -> dict[str, object]:
    weights = nn.Linear(2, 1).state_dict()
    return dict(
        root=Payload(marker),
        meta=dict(state_dict=weights, meta=dict(epoch=Payload(marker))),
        message_hub=dict(state_dict=weights, message_hub=dict(log_scalars=dict(loss=Payload(marker)))),
        weights=OrderedDict(weight=Payload(marker)),
        statistics=dict(state_dict=weights, message_hub=dict(log_scalars=dict(x=hostile_buffer(marker)))),
    )


def hostile_buffer(marker: Path) -> HistoryBuffer:
    buffer = HistoryBuffer([1.0], [1])
    buffer.payload = Payload(marker)
    return buffer


READERS = dict(
    load_file=load_file,
    load_weights=lambda path: load_weights(nn.Linear(2, 1), path),
    stock_loader=lambda path: stock.CheckpointLoader.load_checkpoint(str(path), 'cpu'),
    stock_load_checkpoint=lambda path: stock.load_checkpoint(nn.Linear(2, 1), str(path)),
    stock_safe_torch_load=lambda path: stock._safe_torch_load(str(path)),
    pretrained=lambda path: stock._load_checkpoint_with_prefix('backbone', str(path)),
)


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
@pytest.mark.parametrize('reader', READERS)
def test_no_pickle_payload_runs(reader, legacy, marker, tmp_path):
    for place, checkpoint in hostile_pickles(marker).items():
        path = tmp_path / f'{place}.pth'
        torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises((UserError, pickle.UnpicklingError)):
            READERS[reader](path)
        assert not marker.exists(), place


def test_config_texts_are_dropped(marker, tmp_path):
    code = f'import os\nos.mkdir({str(marker)!r})\nmodel = dict()'
    Config.fromstring(code, '.py')
    assert marker.exists(), 'the payload does nothing'
    marker.rmdir()
    path = tmp_path / 'w.pth'
    torch.save(
        dict(
            state_dict={},
            meta=dict(config=code, cfg=code, iter=3),
            message_hub=dict(runtime_info=dict(cfg=code, iter=3)),
        ),
        path,
    )
    for checkpoint in (load_file(path), stock.CheckpointLoader.load_checkpoint(str(path), 'cpu')):
        assert checkpoint['meta'] == dict(iter=3)
        assert checkpoint['message_hub'] == dict(runtime_info=dict(iter=3))
    assert not marker.exists()


def test_inferencer_without_config_executes_nothing(marker, tmp_path):
    from mmdet.apis import DetInferencer

    code = f'import os\nos.mkdir({str(marker)!r})\nmodel = dict()'
    path = tmp_path / 'w.pth'
    torch.save(dict(state_dict={}, meta=dict(cfg=code), message_hub=dict(runtime_info=dict(cfg=code))), path)
    with pytest.raises(ValueError, match='Cannot find the config'):  # it got as far as looking for one
        DetInferencer(weights=str(path), device='cpu')
    assert not marker.exists()


def test_resume_executes_neither_config_nor_message_hub(marker, tmp_path):
    write_images(tmp_path)
    build(tmp_path, train_cfg__max_iters=4, train_cfg__val_interval=4).train()
    path = tmp_path / 'work' / 'iter_4.pth'
    code = f'import os\nos.mkdir({str(marker)!r})\ngpu_ids = [0]'
    checkpoint = load_file(path)
    checkpoint['meta'] |= dict(config=code, cfg=code)
    checkpoint['message_hub'] = dict(
        scalars={'train/loss': code, 'x': [code]},
        info=dict(cfg=code, deep=[code]),
        runtime_info=dict(cfg=code),
        log_scalars=dict(x=code),
        resumed_keys=code,
    )
    torch.save(checkpoint, path)
    runner = build(tmp_path, resume=True, train_cfg__max_iters=5)
    runner.train()
    assert runner.iter == 5 and not marker.exists()
    assert code not in map(str, runner.message_hub.runtime_info.values())


def test_logs_of_stock_checkpoints_do_not_stop_their_weights(tmp_path):
    path = tmp_path / 'stock.pth'
    weights = nn.Linear(2, 1).state_dict()
    torch.save(dict(state_dict=weights, message_hub=dict(log_scalars={'train/loss': HistoryBuffer([1.0], [1])})), path)
    torch.testing.assert_close(load_file(path)['state_dict'], weights)


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', b'PK\x03\x04' + bytes(100), bytes(1000)])
def test_files_that_are_no_checkpoint(content, tmp_path):
    path = tmp_path / 'w.pth'
    path.write_bytes(content)
    with pytest.raises(UserError, match=r'w\.pth: (not a complete checkpoint|holds more than data)') as caught:
        load_file(path)
    assert '\n' not in str(caught.value)


def test_every_truncation_is_one_error(tmp_path):
    path = tmp_path / 'w.pth'
    torch.save(dict(state_dict=nn.Linear(50, 50).state_dict()), path)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, len(whole) // 40):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match='not a complete checkpoint'):
            load_file(path)


def test_missing_file_tensor_and_unreadable_address(tmp_path):
    with pytest.raises(UserError, match='not found'):
        load_file(tmp_path / 'nowhere.pth')
    torch.save(torch.zeros(3), tmp_path / 'tensor.pth')
    with pytest.raises(UserError, match='not a dict'):
        load_file(tmp_path / 'tensor.pth')
    with pytest.raises(UserError, match='download the file'):
        stock.CheckpointLoader.load_checkpoint('s3://bucket/resnet50.pth', 'cpu')
