"""The layers that were added to hls4ml: exact for every kernel and factor, on maps smaller than the kernel too."""

import numpy as np
import pytest
from fpga_hls_networks import Builder

from plugins.fpga.hls.build import compile_project
from plugins.fpga.hls.project import write_project
from plugins.fpga.hls.simulate import simulate
from plugins.fpga.integers.integer_network import MaxPool, Upsample

pytest.importorskip('hls4ml', reason='hls4ml is not installed: the extra [fpga]')
KERNELS, FACTORS = (3, 5, 7), (2, 3)


@pytest.fixture(scope='module')
def made(gxx, tmp_path_factory):
    """Integers (N, C, H, W) of the input, and what each layer made of them, by name."""
    net = Builder(3, 4, 6, signed=True)
    pools = [net.add(MaxPool, 'image', kernel=k) for k in KERNELS]
    pools.append(net.add(MaxPool, net.add(MaxPool, 'image', kernel=3), kernel=3))
    ups = [net.add(Upsample, 'image', factor=k) for k in FACTORS]
    project = write_project(net.network(*pools, *ups), tmp_path_factory.mktemp('layers'))
    compile_project(project)
    x = np.concatenate([net.images(3), np.full((1, *net.shape), -128)])
    found = simulate(project, x)
    return x, [found[name] for name in pools], [found[name] for name in ups]


def largest(x: np.ndarray, kernel: int) -> np.ndarray:
    """Place by place."""
    out, edge = np.empty_like(x), kernel // 2
    for h in range(x.shape[2]):
        for w in range(x.shape[3]):
            out[:, :, h, w] = x[:, :, max(h - edge, 0) : h + edge + 1, max(w - edge, 0) : w + edge + 1].max((2, 3))
    return out


@pytest.mark.parametrize('place', range(len(KERNELS)))
def test_padded_max_pool(made, place):
    x, pools, _ = made
    np.testing.assert_array_equal(pools[place], largest(x, KERNELS[place]))


def test_two_small_pools_are_one_large_pool(made):
    _, pools, _ = made
    np.testing.assert_array_equal(pools[-1], pools[KERNELS.index(5)])


@pytest.mark.parametrize('place', range(len(FACTORS)))
def test_nearest_upsampling(made, place):
    x, _, ups = made
    np.testing.assert_array_equal(ups[place], np.kron(x, np.ones((1, 1, FACTORS[place], FACTORS[place]))))
