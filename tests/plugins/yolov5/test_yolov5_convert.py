"""Official files become checkpoints that give the same outputs; nothing in them runs; what does not fit is named."""

import pickle
import random
import zipfile

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from official_like import official_model, save_official
from test_yolov5_parameters import MODELS_FOLDER

from detplug.cli.convert_weights import main
from detplug.engine.checkpoint import load_file
from detplug.errors import UserError
from plugins.yolov5.convert import convert


def our_model(size, num_classes, checkpoint):
    init_default_scope('mmdet')
    config = Config.fromfile(MODELS_FOLDER / f'yolov5{size}.py').model
    config.bbox_head.num_classes = num_classes
    model = MODELS.build(config)
    model.load_state_dict(load_file(checkpoint)['state_dict'])
    return model.eval()


@pytest.fixture(scope='module')
def official(tmp_path_factory):
    model = official_model()
    return model, save_official(model, tmp_path_factory.mktemp('official') / 'tiny.pt')


def test_converted_weights_give_the_outputs_of_the_official_layers(official, tmp_path):
    model, path = official
    result = convert(path, tmp_path / 'ours.pth')
    assert (result.size, result.num_classes, result.classes, result.custom_anchors) == ('n', 2, ('egg', 'worm'), False)
    assert load_file(tmp_path / 'ours.pth')['meta']['dataset_meta']['classes'] == ('egg', 'worm')
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        for one, other in zip(our_model('n', 2, tmp_path / 'ours.pth')(image)[0], model(image), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('size', 'depth', 'width'), [('s', 0.33, 0.5), ('m', 0.67, 0.75)])
def test_other_sizes_are_recognised(size, depth, width, tmp_path):
    model = official_model(depth=depth, width=width)
    assert convert(save_official(model, tmp_path / 'a.pt'), tmp_path / 'b.pth').size == size


def test_v6_0_files_with_a_second_anchor_buffer_convert_to_the_same(official, tmp_path):
    model = official_model()
    model.model[-1].register_buffer('anchor_grid', torch.ones(3, 1, 3, 1, 1, 2))
    convert(save_official(model, tmp_path / 'v6.0.pt'), tmp_path / 'v6.0.pth')
    convert(official[1], tmp_path / 'v7.0.pth')
    one, other = (load_file(tmp_path / f'{name}.pth')['state_dict'] for name in ('v6.0', 'v7.0'))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda x: x,
        lambda x: dict(state_dict=x),
        lambda x: {f'module.model.{name}': tensor for name, tensor in x.items()},
    ],
)
def test_plain_state_dicts_convert_too(official, tmp_path, wrap):
    torch.save(wrap(official[0].state_dict()), tmp_path / 'plain.pt')
    result = convert(tmp_path / 'plain.pt', tmp_path / 'ours.pth')
    assert result.classes is None
    assert torch.equal(
        load_file(tmp_path / 'ours.pth')['state_dict']['backbone.stage0.0.conv.weight'],
        official[0].state_dict()['model.0.conv.weight'],
    )


def test_custom_anchors_are_kept_in_pixels_and_reported(tmp_path, capsys):
    anchors = [[8, 8, 16, 24, 40, 24], [32, 64, 64, 48, 56, 120], [120, 88, 160, 200, 320, 320]]
    path = save_official(official_model(anchors=anchors), tmp_path / 'custom.pt')
    assert main(['yolov5', str(path), str(tmp_path / 'ours.pth')]) == 0
    assert 'its own anchors' in capsys.readouterr().out
    kept = our_model('n', 2, tmp_path / 'ours.pth').bbox_head.anchors
    torch.testing.assert_close(kept, torch.tensor(anchors, dtype=torch.float32).view(3, 3, 2))


def test_missing_and_left_over_tensors_are_named_in_one_line(official, tmp_path):
    state = official[0].state_dict()
    state['model.25.extra'] = state.pop('model.13.cv1.bn.bias')
    state['model.3.conv.weight'] = state['model.3.conv.weight'][:, :1]
    torch.save(state, tmp_path / 'odd.pt')
    with pytest.raises(UserError) as caught:
        convert(tmp_path / 'odd.pt', tmp_path / 'ours.pth')
    text = str(caught.value)
    assert '1 missing: neck.merge_down.1.main_conv.bn.bias' in text
    assert '1 left over: model.25.extra' in text
    assert 'backbone.stage2.0.conv.weight (64, 1, 3, 3) instead of (64, 32, 3, 3)' in text
    assert '\n' not in text and not (tmp_path / 'ours.pth').exists()


class Payload:
    """Runs a call when it is unpickled."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def write_zip(path, content):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', content)
    return path


@pytest.mark.parametrize(
    'name',
    [
        'os.system',
        'builtins.eval',
        'builtins.getattr',
        'subprocess.Popen',
        'torch.load',
        'torch.hub.load',
        'operator.attrgetter',
        'importlib.import_module',
    ],
)
def test_a_file_that_would_run_something_is_refused(name, tmp_path):
    module, function = name.rsplit('.', 1)
    marker = tmp_path / 'marker'
    # protocol 0 text: GLOBAL, one string argument, REDUCE; the same through a dict beside a model
    call = f"c{module}\n{function}\n(S'touch {marker}'\ntR.".encode()
    path = write_zip(tmp_path / 'evil.pt', call)
    with pytest.raises(UserError, match='nothing was run'):
        convert(path, tmp_path / 'ours.pth')
    assert not marker.exists()


def test_a_payload_inside_an_official_file_is_refused(tmp_path):
    import os

    marker = tmp_path / 'marker'
    path = save_official(official_model(), tmp_path / 'evil.pt', opt=Payload(os.system, f'touch {marker}'))
    with pytest.raises(UserError, match='system'):
        convert(path, tmp_path / 'ours.pth')
    assert not marker.exists() and not (tmp_path / 'ours.pth').exists()


@pytest.mark.parametrize('name', ['models.common.os.system', 'models.yolo.x.y'])
def test_dotted_names_do_not_reach_through_a_stub(name, tmp_path):
    module, function = 'models.common', name.removeprefix('models.common.')
    content = (
        pickle.PROTO
        + b'\x04'
        + pickle.SHORT_BINUNICODE
        + bytes([len(module)])
        + module.encode()
        + pickle.SHORT_BINUNICODE
        + bytes([len(function)])
        + function.encode()
        + pickle.STACK_GLOBAL
        + pickle.STOP
    )
    with pytest.raises(UserError, match='nothing was run'):
        convert(write_zip(tmp_path / 'evil.pt', content), tmp_path / 'ours.pth')


def test_a_huge_object_number_reserves_no_memory(tmp_path):
    content = pickle.EMPTY_DICT + pickle.LONG_BINPUT + b'\xff\xff\xff\xff' + pickle.STOP
    with pytest.raises(UserError, match='object number'):
        convert(write_zip(tmp_path / 'bomb.pt', content), tmp_path / 'ours.pth')


def test_damaged_files_give_the_one_documented_error(official, tmp_path):
    whole = official[1].read_bytes()
    draw = random.Random(0)
    start = whole.index(b'data.pkl')
    for number in range(40):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[draw.randrange(len(data)) :]
        for _ in range(draw.randrange(1, 20)):
            if data:
                place = draw.randrange(start, start + 20000) if number % 3 == 1 else draw.randrange(len(data))
                data[min(place, len(data) - 1)] = draw.randrange(256)
        (tmp_path / 'damaged.pt').write_bytes(data)
        try:
            convert(tmp_path / 'damaged.pt', tmp_path / 'ours.pth')
        except UserError as error:
            assert '\n' not in str(error)


def test_damaged_pickles_give_the_one_documented_error(official, tmp_path):
    with zipfile.ZipFile(official[1]) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    name = next(x for x in content if x.endswith('data.pkl'))
    draw = random.Random(1)
    for _ in range(40):
        data = bytearray(content[name])
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        with zipfile.ZipFile(tmp_path / 'damaged.pt', 'w') as archive:
            for key, value in content.items():
                archive.writestr(key, bytes(data) if key == name else value)
        try:
            convert(tmp_path / 'damaged.pt', tmp_path / 'ours.pth')
        except UserError as error:
            assert '\n' not in str(error)


@pytest.mark.parametrize('content', [{}, dict(model=3), [1, 2], dict(model={'a': torch.zeros(2)}), dict(state_dict=[])])
def test_files_without_a_model_are_refused(content, tmp_path):
    torch.save(content, tmp_path / 'other.pt')
    with pytest.raises(UserError, match='other.pt'):
        convert(tmp_path / 'other.pt', tmp_path / 'ours.pth')


def test_the_official_file_converts_whole(yolov5n_weights, tmp_path):
    result = convert(yolov5n_weights, tmp_path / 'ours.pth')
    assert (result.size, result.num_classes, result.tensors, result.custom_anchors) == ('n', 80, 349, False)
    assert result.classes[0] == 'person' and result.classes[79] == 'toothbrush'
    model = our_model('n', 80, tmp_path / 'ours.pth')
    with torch.no_grad():
        assert all(raw.isfinite().all() for raw in model(torch.rand(1, 3, 64, 64))[0])
