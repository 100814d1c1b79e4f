"""The C simulation of a whole small detector equals the integer network; whatever does not is refused by name."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from fpga_hls_networks import blocks

from detplug.errors import UserError
from plugins.fpga.hls.build import compile_project
from plugins.fpga.hls.project import write_project
from plugins.fpga.hls.simulate import simulate, simulate_all
from plugins.fpga.hls.verify import check_project, first_mismatch, mismatches
from plugins.fpga.integers.integer_network import IntegerNetwork

pytest.importorskip('hls4ml', reason='hls4ml is not installed: the extra [fpga]')


@pytest.fixture(scope='module')
def compiled(gxx, tmp_path_factory):
    """A compiled project and images (3, C, H, W)."""
    net, network = blocks()
    project = write_project(network, tmp_path_factory.mktemp('blocks'), dsp_budget=64)
    assert compile_project(project).seconds > 0
    return project, net.images(3)


def changed(project, name, **settings):
    """The project, said to be of a network in which one operation is another one."""
    ops = tuple(replace(op, **settings) if op.name == name else op for op in project.network.ops)
    old = project.network
    return replace(project, network=IntegerNetwork(old.input, old.input_format, old.input_shape, ops, old.outputs))


def test_outputs_are_equal(compiled):
    project, x = compiled
    assert mismatches(project, x) == dict.fromkeys(project.outputs, 0)
    assert check_project(project, x) == sum(v.size for v in simulate(project, x).values())


def test_every_map_between_is_equal(compiled):
    project, x = compiled
    wanted, made = project.network.run(x), simulate_all(project, x)
    assert list(made) == [op.name for op in project.network.ops]
    assert all(np.array_equal(made[name], wanted[name]) and len(np.unique(made[name])) > 9 for name in made)


def test_images_do_not_influence_each_other(compiled):
    project, x = compiled
    together, alone = simulate(project, x), simulate(project, x[2:])
    assert all(np.array_equal(together[name][2:], alone[name]) for name in together)


def test_no_image(compiled):
    project, x = compiled
    assert all(len(v) == 0 for v in simulate(project, x[:0]).values())
    with pytest.raises(UserError, match='images: none to compare with'):
        check_project(project, x[:0])


def test_a_wrong_scale_is_named(compiled):
    project, x = compiled
    out = next(op for op in project.network.ops if op.name == 'conv.7').out
    with pytest.raises(UserError, match='conv.7: the C simulation differs'):
        check_project(changed(project, 'conv.7', out=replace(out, frac=out.frac + 1)), x)


def test_a_transposed_kernel_is_named(compiled):
    project, x = compiled
    weight = next(op for op in project.network.ops if op.name == 'conv.1').weight
    assert first_mismatch(changed(project, 'conv.1', weight=weight.transpose(0, 1, 3, 2)), x) == 'conv.1'


def test_one_wrong_weight_in_the_compiled_project_is_named(compiled):
    project, x = compiled
    files = sorted(project.folder.glob('firmware/weights/w*.txt'), key=lambda path: int(path.stem[1:]))
    kept = files[0].read_text()
    try:
        first, rest = kept.split(',', 1)
        files[0].write_text(f'{float(first) + 0.125},{rest}')
        with pytest.raises(UserError, match='conv.0: the C simulation differs'):
            check_project(project, x)
    finally:
        files[0].write_text(kept)
    check_project(project, x)


def test_a_library_that_ends_the_process_is_an_error(compiled):
    project, x = compiled
    weights = project.folder / 'firmware' / 'weights'
    shutil.move(weights, weights.with_name('away'))
    try:
        with pytest.raises(UserError, match='simulation: ended with status 1 .*does not exist'):
            simulate(project, x)
    finally:
        shutil.move(weights.with_name('away'), weights)


def test_images_of_another_size(compiled):
    project, x = compiled
    with pytest.raises(UserError, match=r'images: \(3, 9, 8\) instead of \(3, 10, 8\)'):
        simulate(project, x[:, :, 1:])


def test_not_compiled(compiled, tmp_path):
    project, x = compiled
    with pytest.raises(UserError, match='no such file; compile the project'):
        simulate(replace(project, folder=tmp_path), x)


def test_what_gxx_says(compiled, tmp_path):
    project, _ = compiled
    broken = replace(project, folder=tmp_path)
    (tmp_path / 'build_lib.sh').write_text('echo "a.cpp:1: error: no such thing"; exit 3\n')
    with pytest.raises(UserError, match=r'build.log: g\+\+: a.cpp:1: error: no such thing; read the log'):
        compile_project(broken)


def test_budget(compiled):
    project, _ = compiled
    assert project.dsps <= 64
