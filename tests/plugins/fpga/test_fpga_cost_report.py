"""The report: one page with its picture; the roofline that no layer exceeds."""

import re

import numpy as np
import pytest
from hypothesis import given, settings

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from fpga_cost_networks import SIZES, conv, networks  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.cost import bundle_report  # noqa: E402
from plugins.fpga.cost.boards import known_boards  # noqa: E402
from plugins.fpga.cost.bundle_report import write_bundle_report  # noqa: E402
from plugins.fpga.cost.layers import FORMS, conv_layer, layers_of  # noqa: E402
from plugins.fpga.cost.network import costs_of, network_cost  # noqa: E402
from plugins.fpga.cost.report import layer_table, shape_of, write_report  # noqa: E402
from plugins.fpga.cost.resources import FAMILIES, Resources  # noqa: E402
from plugins.fpga.cost.roofline import point, roof, roofline_figure  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.integers.integer_network import Add, Format, IntegerNetwork, MaxPool  # noqa: E402

NETWORK = IntegerNetwork(
    'x', Format(4, False), (8, 12, 12),
    (conv('a', 'x', 8, 8, 3, 1, (3, 5)), Add('sum', ('a', 'x'), Format(4, False)), MaxPool('pool<', ('sum',), 3),
     conv('head', 'pool<', 8, 5, form=None)), ('head',),
)  # fmt: skip


def costs(network: IntegerNetwork) -> dict:
    return {form: costs_of(network, form, SIZES) for form in FORMS}


@given(networks())
@settings(max_examples=15)
def test_no_layer_is_above_the_roof(network):
    for own in costs(network).values():
        points = np.array([point(x.cost) for x in own if x.layer.is_conv])
        assert (
            points[:, 1] <= SIZES.n**2
        ).all()  # a layer whose input is loaded beside the one before may pass the slope


def test_the_roof_is_what_multipliers_or_memory_allow():
    np.testing.assert_allclose(roof(np.array([1.0, 16.0, 100.0]), 16), [32, 256, 256])


def test_the_picture_has_a_point_for_every_convolution_of_each_form():
    axes = roofline_figure(costs(NETWORK), SIZES.n).axes[0]
    assert [len(line.get_xdata()) for line in axes.lines[1:]] == [2, 2, 2]
    assert roofline_figure({'dense': []}, 4).axes  # nothing to show is no error


def test_the_page_holds_everything(tmp_path):
    found = costs(NETWORK)
    taken = {'xc7': Resources(64, 150.5, 4000, 2600)}
    page = write_report(tmp_path, 'tiny <net>', found, SIZES, taken, list(known_boards().values())).read_text()
    assert 'tiny &lt;net&gt;' in page and 'pool&lt;' in page and '<net>' not in page
    for form in FORMS:
        assert f'{network_cost(found[form]).cycles:,}' in page
    assert 'no: BRAM' in page and '108 %' in page  # 150.5 of 140
    assert 'Power is not measured' in page and 'estimate' in page and 'MHz' in page
    assert not re.search(r'(src|href)="(?!data:)', page) and '<script' not in page
    assert (tmp_path / 'roofline.png').stat().st_size > 1000


def test_boards_without_resources_show_no_shares(tmp_path):
    page = write_report(tmp_path, 'net', costs(NETWORK), SIZES, None, list(known_boards().values())).read_text()
    assert 'no: ' not in page and 'PYNQ-Z2' in page


def test_layers_in_words():
    shapes = [shape_of(x) for x in layers_of(NETWORK, 4)]
    assert shapes == ['8-8 3x3, 12x12', 'max 8, 12x12', '8-5 1x1, 12x12']  # the addition is part of the first
    assert shape_of(conv_layer('b', (4, 8), 3, 2, (6, 5))) == '4-8 3x3 s2, 6x5'
    assert '3 5' in layer_table(costs(NETWORK))


def test_a_bundle_has_a_report_with_what_was_measured_for_the_same_verilog(tmp_path, monkeypatch):
    kept = tmp_path / 'resources.json'
    monkeypatch.setattr(bundle_report, 'MEASURED', kept)
    monkeypatch.setattr(bundle_report, 'design_hash', lambda sizes: 'same')
    kept.write_text('{"same": {"xcup": {"dsp": 864, "bram": 1.5, "lut": 1, "ff": 1}}}')
    assert write_bundle_report(tmp_path / 'a', NETWORK, 'ZCU104', SIZES).part == 'xczu7ev-ffvc1156-2-e'
    page = (tmp_path / 'a' / 'report.html').read_text()
    assert '50 %' in page and 'rebuild' in page  # 864 of 1728
    kept.write_text('{"other": {"xcup": {"dsp": 864, "bram": 1.5, "lut": 1, "ff": 1}}}')
    write_bundle_report(tmp_path / 'b', NETWORK, 'ZCU104', SIZES)
    assert '50 %' not in (tmp_path / 'b' / 'report.html').read_text()
    with pytest.raises(UserError, match='board: none'):
        write_bundle_report(tmp_path / 'c', NETWORK, 'none', SIZES)


def test_the_measured_resources_are_of_the_hardware_as_it_is():
    """After a change of the hardware run benchmarks/fpga_resources.py: bundles' reports would show no resources."""
    assert set(bundle_report.measured_resources(Sizes(4))) == set(FAMILIES)
