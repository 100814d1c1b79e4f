"""Parts of the bundle: settings, where the HLS project ends, golden vectors, what a wrong simulation is told."""

from dataclasses import replace

import numpy as np
import pytest
from mmengine.config import Config

for package in ('amaranth', 'hls4ml'):
    pytest.importorskip(package, reason=f'{package} is not installed: install the extra [fpga]')

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.accelerator.cycles import total_cycles  # noqa: E402
from plugins.fpga.accelerator.program import conv_program  # noqa: E402
from plugins.fpga.accelerator.sizes import Sizes  # noqa: E402
from plugins.fpga.bundle.golden import write_golden  # noqa: E402
from plugins.fpga.bundle.hls_part import last_map  # noqa: E402
from plugins.fpga.bundle.readme import readme  # noqa: E402
from plugins.fpga.bundle.rtl_part import check_layer, sizes_of  # noqa: E402
from plugins.fpga.bundle.settings import Settings, settings_of  # noqa: E402
from plugins.fpga.integer_network import Conv, Format, IntegerNetwork  # noqa: E402

RNG = np.random.default_rng(0)


def conv(name, source, into, out):
    weight = RNG.integers(-128, 128, (out, into, 3, 3)).astype(np.int8)
    return Conv(name, (source,), weight, 7, RNG.integers(-99, 99, out).astype(np.int32), 1, 1, Format(4, signed=False))


@pytest.fixture
def network() -> IntegerNetwork:
    """Two stages of two convolutions."""
    names = ('stage0_a', 'stage0_b', 'stage1_a', 'stage1_b')
    sources = ('images', *names)
    ops = tuple(
        conv(name, source, 3 if source == 'images' else 4, 4) for name, source in zip(names, sources, strict=False)
    )
    return IntegerNetwork('images', Format(8, signed=False), (3, 6, 6), ops, ('stage1_b',))


class Simulator:
    """Says what the integer network says, but for ``wrong`` added to the first value."""

    def __init__(self, network, wrong):
        self.network, self.wrong, self.sizes = network, wrong, Sizes(4)

    def run(self, op, x, source):
        made = op.run(x[None], source)[0]
        made[0, 0, 0] += self.wrong
        return made, total_cycles(conv_program(op, x, source, self.sizes).instructions, 4)


@pytest.mark.parametrize('index', [0, 3])
def test_a_layer_that_the_rtl_computes_otherwise_is_named(network, index):
    maps = network.run(RNG.integers(0, 256, (1, 3, 6, 6)))
    op = network.ops[index]
    assert check_layer(Simulator(network, 0), op, network, maps) == 0
    with pytest.raises(UserError, match=f'{op.name}: the simulated RTL differs .* in 1 values'):
        check_layer(Simulator(network, 1), op, network, maps)


def test_the_hls_project_ends_at_the_last_map_of_a_stage(network):
    assert last_map(network, 'stage0') == 'stage0_b' and last_map(network, 'stage1_a') == 'stage1_a'
    with pytest.raises(UserError, match='hls_ends: stage7: no map begins so'):
        last_map(network, 'stage7')


def test_golden_vectors_are_what_the_network_computes(network, tmp_path):
    q = RNG.integers(0, 256, (2, 3, 6, 6))
    maps = write_golden(tmp_path, network, q)
    golden = np.load(tmp_path / 'golden.npz')
    np.testing.assert_array_equal(golden['images'], q)
    np.testing.assert_array_equal(golden['stage1_b'], network.run(q)['stage1_b'])
    assert set(golden) == {'images', 'stage1_b'} and set(maps) == {'images', *(op.name for op in network.ops)}


def test_settings_of_a_config_and_their_defaults():
    assert settings_of(Config({})) == Settings()
    assert settings_of(Config(dict(fpga=dict(array=8, images=3)))) == replace(Settings(), array=8, images=3)


@pytest.mark.parametrize(
    'given, words',
    [(dict(boards='x'), 'boards: no such setting; one of board'), (dict(images=0), 'images: 0; give at least 1')],
)
def test_wrong_settings_are_one_line(given, words):
    with pytest.raises(UserError, match=words):
        settings_of(Config(dict(fpga=given)))


@pytest.mark.parametrize('array', [4, 8, 16])
def test_every_array_has_memories_of_the_same_bytes(array):
    sizes = sizes_of(Settings(array=array))
    assert sizes.n == array and sizes.weights * array == sizes.activations * array == 256 * 1024


def test_the_readme_names_the_device():
    manifest = dict(
        classes=['a', 'b'],
        input=dict(shape=[1, 3, 64, 64]),
        versions=dict(detplug='1'),
        hls=dict(share_of_macs=0.25),
        rtl=dict(array=8),
    )
    text = readme(manifest, 'mine', 'xc7z020')
    assert '-part xc7z020' in text and '25% of the multiplications' in text and '{' not in text
