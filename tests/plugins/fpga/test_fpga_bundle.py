"""Parts of the bundle: settings, where the HLS project ends, golden vectors, what a wrong simulation is told."""

from dataclasses import replace

import numpy as np
import pytest
from mmengine.config import Config

for package in ('amaranth', 'hls4ml'):
    pytest.importorskip(package, reason=f'{package} is not installed: install the extra [fpga]')

from fpga_odd_network import odd_network  # noqa: E402
from fpga_register_model import Board, bundle_modules  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.bundle import rtl_part  # noqa: E402
from plugins.fpga.bundle.fit import check_board  # noqa: E402
from plugins.fpga.bundle.golden import write_golden  # noqa: E402
from plugins.fpga.bundle.hls_part import last_map, takes_hls  # noqa: E402
from plugins.fpga.bundle.readme import readme  # noqa: E402
from plugins.fpga.bundle.rtl_part import write_rtl  # noqa: E402
from plugins.fpga.bundle.settings import Settings, settings_of, sizes_of  # noqa: E402
from plugins.fpga.bundle.vivado import constraints, vivado_script  # noqa: E402
from plugins.fpga.compiler.layout import map_words  # noqa: E402
from plugins.fpga.compiler.network import network_program  # noqa: E402
from plugins.fpga.cost.boards import read_board  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.hls.onnx_graph import onnx_graph  # noqa: E402
from plugins.fpga.integers.integer_network import Conv, Format, IntegerNetwork, MaxPool  # noqa: E402
from plugins.fpga.integers.number_format import Table  # noqa: E402
from plugins.fpga.simulation.simulate import Run, Simulator  # noqa: E402

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


def test_a_map_that_the_rtl_computes_otherwise_is_named(network, tmp_path, monkeypatch):
    maps = network.run(RNG.integers(0, 256, (1, 3, 6, 6)))

    class Wrong:
        """Flips a bit of one map in the memory at the end."""

        def __init__(self, sizes):
            self.sizes = sizes

        def run_program(self, program):
            compiled = network_program(network, self.sizes)
            outside = program.outside.copy()
            for op in network.ops:
                words = map_words(maps[op.name][0], self.sizes.n).reshape(-1, self.sizes.n)
                start = compiled.placement.starts[op.name]
                outside[start : start + len(words)] = words
            outside[compiled.placement.starts['stage1_a'], 0] ^= 1
            return Run(outside, ())

    monkeypatch.setattr(rtl_part, 'Simulator', Wrong)
    with pytest.raises(UserError, match='^stage1_a: 1 of 144 values'):
        write_rtl(tmp_path, network, maps, Settings(array=4))
    assert not list((tmp_path / 'rtl').iterdir())


@pytest.mark.parametrize('odd', [False, True])
def test_the_bundle_runs_any_image_through_its_own_files(network, tmp_path, gxx, monkeypatch, odd):
    """host.py and driver.py of the bundle on a model of the registers, behind which the RTL is simulated.

    The odd network has tables, folded maps and channels that fill no blocks.
    """
    network = odd_network() if odd else network
    sizes, maps = Sizes(4, 384, 1024, 32, 16), network.run(RNG.integers(0, 256, (1, *network.input_shape)))
    monkeypatch.setattr(rtl_part, 'sizes_of', lambda settings: sizes)  # small, so soon written
    checked = write_rtl(tmp_path, network, maps, Settings(array=4))
    ops = [op for op in network.ops if not (odd and op.name == 'b')]  # which adds, and leaves no map
    values = sum(maps[op.name].size for op in ops)
    assert checked['maps_checked'] == len(ops) and checked['values_compared'] == values
    other = RNG.integers(0, 256, network.input_shape)
    driver, host = bundle_modules(tmp_path / 'rtl')
    board = Board(Simulator(sizes))
    accelerator = driver.Accelerator(tmp_path / 'rtl', board, board.allocate)
    for name, found in zip(network.outputs, accelerator.run(other), strict=True):
        np.testing.assert_array_equal(found, network.run(other[None])[name])
        assert not np.array_equal(found, maps[name])
    assert accelerator.cycles == checked['cycles']
    expected_maps = network.run(other[None])
    for name in (network.input, *(op.name for op in ops)):
        made = host.unpack(np.asarray(accelerator._memory), name, accelerator.program)
        np.testing.assert_array_equal(made, expected_maps[name][0], err_msg=name)
    with pytest.raises(ValueError, match='shape'):
        accelerator.run(other[:, :5])
    with pytest.raises(ValueError, match='values'):
        accelerator.run(other - 1000)
    board.error = 2
    with pytest.raises(driver.AcceleratorError, match='Error.WRITE'):
        accelerator.run(other)
    board.dead = True
    with pytest.raises(driver.AcceleratorError, match='not done after'):
        accelerator.run(other, timeout=0.01)
    assert board.aborted
    board.n = 8
    with pytest.raises(driver.AcceleratorError, match='the bundle is for 4'):
        driver.Accelerator(tmp_path / 'rtl', board, board.allocate)


def test_vivado_scripts_have_whole_part_names_and_say_that_they_were_not_run():
    for name, words in (('PYNQ-Z2', 'S_AXI_HP0]'), ('ZCU104', 'S_AXI_HP0_FPD'), ('Alveo U250', 'synth_design')):
        text = vivado_script(read_board(name))
        assert words in text and 'NOT RUN BY US' in text and f'-part {read_board(name).part}' in text
        assert text.count('{') == text.count('}')
    assert '10.000' in constraints(read_board('PYNQ-Z2'))


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


def test_depths_of_memories_are_settings():
    settings = settings_of(Config(dict(fpga=dict(array=8, memories=dict(sums=1024, weights=65536)))))
    plain = Sizes()
    doubled = {name: 2 * getattr(plain, name) for name in ('activations', 'results', 'residuals')}
    assert sizes_of(settings) == Sizes(8, weights=65536, sums=1024, **doubled)
    for memories, line in ((dict(n=8), 'no such memory'), (dict(poisoned=1), 'no such memory'),
                           (dict(sums=2**20), 'an address has 20 bits'),
                           (dict(biases=8192), 'room for 4096'), (dict(sums=2), 'give at least 16 words'),
                           (dict(sums=640), 'power of two')):  # fmt: skip
        with pytest.raises(UserError, match=f'fpga: memories: .*{line}'):
            settings_of(Config(dict(fpga=dict(memories=memories))))


def table_network() -> IntegerNetwork:
    """One convolution with a table."""
    table = Table(Format(4, True), np.arange(256) - 128)
    weight, bias = np.ones((4, 3, 1, 1), np.int8), np.zeros(4, np.int32)
    op = Conv('a', ('images',), weight, 3, bias, out=Format(3, True), table=table)
    return IntegerNetwork('images', Format(8, False), (3, 4, 4), (op,), ('a',))


def test_a_project_of_tables_is_left_out_with_a_line_or_refused(network, capsys, tmp_path):
    assert takes_hls(network, Settings()) and not takes_hls(network, Settings(hls=False))
    assert capsys.readouterr().out == ''
    assert not takes_hls(table_network(), Settings())
    assert capsys.readouterr().out == 'hls: left out, a: an activation by a table has no form in hls4ml\n'
    with pytest.raises(UserError, match='^fpga: hls: a: an activation by a table'):
        takes_hls(table_network(), Settings(hls=True))
    with pytest.raises(UserError, match='^a: an activation by a table'):
        onnx_graph(table_network())


def test_a_project_of_a_pooling_that_halves_is_left_out_with_a_line(network, capsys):
    ops = (*network.ops, MaxPool('pool', ('stage1_b',), 2, 2, 0))
    halved = IntegerNetwork('images', network.input_format, network.input_shape, ops, ('pool',))
    assert not takes_hls(halved, Settings())
    assert capsys.readouterr().out == 'hls: left out, pool: a pooling with stride 2 has no form in hls4ml here\n'


@pytest.mark.parametrize(
    ('settings', 'paired'),
    [
        (dict(), False),
        (dict(board='PYNQ-Z2'), True),
        (dict(board='PYNQ-Z2', array=8), False),
        (dict(paired=True), True),
    ],
)
def test_products_are_paired_where_a_board_has_too_few_dsp_blocks(settings, paired):
    sizes = sizes_of(settings_of(Config(dict(fpga=settings))))
    assert sizes.paired is paired
    check_board(read_board(settings.get('board', 'ZCU104')), sizes, 'a.py')


@pytest.mark.parametrize('name', ['paired', 'hls'])
def test_settings_that_are_yes_or_no_are_nothing_else(name):
    with pytest.raises(UserError, match=f"fpga: {name}: 'no'; give True, False or None"):
        settings_of(Config(dict(fpga={name: 'no'})))


def test_more_dsp_blocks_than_a_board_has_are_refused():
    sizes = sizes_of(settings_of(Config(dict(fpga=dict(board='PYNQ-Z2', paired=False)))))
    with pytest.raises(UserError, match='a.py: fpga: array: 16: 256 DSP blocks, PYNQ-Z2 has 220'):
        check_board(read_board('PYNQ-Z2'), sizes, 'a.py')


def test_settings_of_a_config_and_their_defaults():
    assert settings_of(Config({})) == Settings()
    assert settings_of(Config(dict(fpga=dict(array=8, images=3)))) == replace(Settings(), array=8, images=3)


@pytest.mark.parametrize(
    'given, words',
    [
        (dict(boards='x'), 'boards: no such setting; one of board'),
        (dict(images=0), 'images: 0; give at least 1'),
        (dict(array=10), 'array: 10; give one of 4, 8, 16, 32, 64'),
        (dict(array=0), 'array: 0; give one of'),
    ],
)
def test_wrong_settings_are_one_line(given, words):
    with pytest.raises(UserError, match=words):
        settings_of(Config(dict(fpga=given)))


@pytest.mark.parametrize('array', [4, 8, 16])
def test_every_array_has_memories_of_the_same_bytes(array):
    sizes = sizes_of(Settings(array=array))
    assert sizes.n == array and sizes.weights * array == 2 * sizes.activations * array == 256 * 1024
    assert (sizes.results * array, sizes.residuals * array) == (64 * 1024, 32 * 1024)


def test_the_readme_names_the_device():
    manifest = dict(
        classes=['a', 'b'],
        input=dict(shape=[1, 3, 64, 64]),
        versions=dict(detplug='1'),
        hls=dict(share_of_macs=0.25, fifo_bytes=19_400_000, memory_bytes_of_board=600_000, fifos_fit=False),
        rtl=dict(array=8, maps_checked=132, values_compared=9),
    )
    text = readme(manifest, 'mine', 'PYNQ-Z2', 'xc7z020clg400-1')
    assert '`xc7z020clg400-1`' in text and 'at least 19.4 MB before any weight;\nPYNQ-Z2 has 0.6 MB' in text
    assert 'do not fit' in text and text.count('not run by us') == 2 and 'vitis-run' in text
    assert '25% of the multiplications' in text and '{' not in text
    without = readme(manifest | dict(hls=None), 'mine', 'PYNQ-Z2', 'xc7z020clg400-1')
    assert 'hls/' not in without and 'vitis-run' not in without and '0 differ). Bit for bit' in without
