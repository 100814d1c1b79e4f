"""The doctor's checks see each wrong situation and name a cure."""

import pytest

from detplug.cli import doctor_checks as checks

REQUIRES = [
    'numpy<2.3,>=2.2',
    'Old_Name>=1; python_version < "3"',
    'torch<2.15,>=2.10; extra == "train"',
    'onedl-mmcv<2.4,>=2.3.6; extra == "train"',
    'brevitas==0.13.4; extra == "fpga"',
    'amaranth==0.5.10; extra == "fpga"',
]
BASE = {'numpy': '2.2.6'}
TRAIN = BASE | {'torch': '2.13.0+cpu', 'onedl-mmcv': '2.3.6'}


def wrong(findings) -> list[checks.Finding]:
    return [finding for finding in findings if finding.cure]


@pytest.mark.parametrize(
    ('version', 'right'), [((3, 11, 7), 1), ((3, 13, 0, 'final'), 1), ((3, 10, 2), 0), ((3, 14, 0), 0)]
)
def test_the_python_is_in_the_range_of_the_metadata(version, right):
    finding = checks.check_python(version, '>=3.11,<3.14')
    assert bool(finding.cure) != right and f'3.{version[1]}' in finding.detail


def test_a_base_installation_is_whole_and_says_what_is_not_there():
    assert not wrong(checks.check_base(BASE, REQUIRES))
    for extra, name in (('train', 'training'), ('fpga', 'fpga')):
        (finding,) = checks.check_extra(extra, BASE, REQUIRES)
        assert (finding.subject, finding.cure) == (name, '')
        assert f"not installed; pip install 'detplug[{extra}]'" in str(finding) and str(finding).startswith('-')


def test_a_torch_of_somebody_else_is_no_training():
    (finding,) = checks.check_extra('train', BASE | {'torch': '1.0'}, REQUIRES)
    assert finding.absent


@pytest.mark.parametrize('version', ['2.10.0', '2.13.0+cpu', '2.14.1+cu130'])
def test_every_torch_of_the_range_is_right(version):
    assert not wrong(checks.check_extra('train', TRAIN | {'torch': version}, REQUIRES))


@pytest.mark.parametrize('version', [None, '2.9.1', '2.15.0'])
def test_a_torch_that_is_missing_or_out_of_range_is_wrong(version):
    installed = {name: found for name, found in (TRAIN | {'torch': version}).items() if found}
    (finding,) = wrong(checks.check_extra('train', installed, REQUIRES))
    assert finding.subject == 'torch' and 'install' in finding.cure
    assert ('not installed' if version is None else version) in finding.detail


@pytest.mark.parametrize(
    ('there', 'said', 'is_wrong'),
    [
        ({'brevitas': '0.13.4', 'amaranth': '0.5.10'}, 'installed', False),
        ({'brevitas': '0.13.4'}, 'without amaranth', False),
        ({'brevitas': '0.13.3', 'amaranth': '0.5.10'}, 'needs ==0.13.4', True),
    ],
)
def test_another_extra_is_one_line(there, said, is_wrong):
    (finding,) = checks.check_extra('fpga', BASE | there, REQUIRES)
    assert said in finding.detail and bool(finding.cure) == is_wrong


@pytest.mark.parametrize('name', ['torch', 'onedl-mmcv', 'six'])
@pytest.mark.parametrize('version', [None, '9.0'])
def test_the_environment_of_make_setup_is_compared_with_its_lock(name, version):
    pins = {'torch': '2.13.0', 'onedl-mmcv': '2.3.6', 'six': '1.0'}
    assert not checks.check_pins(pins | {'torch': '2.13.0+cpu', 'unlocked': '1'}, pins)
    installed = {key: value for key, value in (pins | {name: version}).items() if value}
    findings = checks.check_pins(installed, pins)
    if name == 'torch' and version:  # its range is another check's
        assert not findings
    else:
        assert findings[0].subject == name and (version or 'not installed') in findings[0].detail
        # mmcv is not replaced by what pip finds first
        assert ('pip install --no-deps' in findings[0].cure) == (name == 'six')


def test_no_duplicates_are_no_wrong_line():
    forks = {group[0]: '1' for group in checks.SAME_FILES.values()}
    assert len(checks.check_duplicates(forks)) == len(forks) and not wrong(checks.check_duplicates(forks))
    assert not checks.check_duplicates(BASE)  # nothing to say about what is not there


@pytest.mark.parametrize('second', [name for group in checks.SAME_FILES.values() for name in group[1:]])
def test_two_packages_that_write_the_same_files_are_wrong(second):
    forks = {group[0]: '1' for group in checks.SAME_FILES.values()}
    (finding,) = wrong(checks.check_duplicates(forks | {second: '9'}))
    assert second in finding.detail and f'uninstall -y {second} ' in finding.cure and '==1' in finding.cure
    (alone,) = checks.check_duplicates({second: '9'})
    assert alone.cure and second in alone.detail


@pytest.mark.parametrize(
    ('status', 'output', 'said', 'cure'),
    [
        (1, 'Traceback\nImportError: mmcv/_ext.cpython-311.so: undefined symbol: _ZN3c10', 'undefined', 'OPS=torch'),
        (1, "ModuleNotFoundError: No module named 'mmcv._ext'", 'mmcv._ext', 'detplug-mmcv-ops'),
        (1, 'RuntimeError: nms_impl: implementation for device cuda:0 not found.\n', 'cuda:0', 'OPS=torch'),
        (1, 'CUDA error: no kernel image is available for execution on the device', 'kernel', 'torch build'),
        (1, 'torch.OutOfMemoryError: CUDA out of memory. Tried', 'out of memory', 'CUDA_VISIBLE_DEVICES'),
        (1, 'ImportError: libGL.so.1: cannot open shared object file', 'libGL', 'opencv-python-headless'),
        (-11, '', 'signal 11', 'make clean setup'),
        (0, '[0, 1, 2] | plain torch', '[0, 1, 2]', 'make clean setup'),
        (0, '', 'no output', 'make clean setup'),
    ],
)
def test_a_probe_that_fails_crashes_or_answers_wrongly_is_wrong(status, output, said, cure):
    finding = checks.check_probe('mmcv operator on cuda:0', status, output, expected='[0, 2]')
    assert said in finding.detail and cure in finding.cure and '\n' not in str(finding)


def test_a_probe_is_right_whatever_warnings_come_before_its_answer():
    finding = checks.check_probe('x', 0, 'UserWarning: something\n[0, 2] | plain torch\n', expected='[0, 2]')
    assert str(finding) == 'ok    x: works, plain torch'


def test_little_disk_or_memory_is_wrong():
    plenty = 100 * checks.GIB
    assert not wrong(checks.check_space(plenty, plenty))
    assert [finding.subject for finding in wrong(checks.check_space(checks.GIB // 2, None))] == ['free disk']
    assert [finding.subject for finding in wrong(checks.check_space(plenty, checks.GIB))] == ['free memory']
