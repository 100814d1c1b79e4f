"""README.md of a bundle, for somebody who has the vendor's tools."""

TEXT = """# {title}
{classes} classes, input {side} x {side} px, exported by detplug {version}. Before anything was written, model.onnx was
compared with the quantised torch model; the accelerator's whole program, simulated in RTL on the first golden image,
with the network in integers ({maps} maps, {values} values, 0 differ){hls_compared}. Bit for bit; manifest.json: errors,
hls, rtl.

| file | what |
| --- | --- |
| `model.onnx` | the network in the QONNX dialect, images to raw maps of the head |
| `postprocess.py` | raw maps to boxes, numpy only: `detect(maps, manifest)` |
| `golden.npz` | images (uint8) and the integers that every output must have for them |
{hls_row}| `rtl/axi_accelerator.v` | the Tensor-Train accelerator {array} x {array}: AXI4 master, AXI4-Lite registers |
| `rtl/accelerator.v` | its core, with a port of runs and words in place of AXI |
| `rtl/code.bin`, `memory.bin` | instructions and memory image, as the driver puts them into memory |
| `rtl/program.json` | where each map lies, its shape, sign, bits, fraction, blocks, folding |
| `rtl/host.py` | any image into the memory, any map out of it, numpy only |
| `rtl/driver.py` | runs it under PYNQ; `register_map.py`: the registers |
| `rtl/vivado.tcl` | block design, or synthesis alone, for {board} |
| `report.html` | cycles, resources, boards, roofline; what is assumed |

The integers of a map stand for q * 2 ** -frac (`outputs.formats` in manifest.json).

## With Vivado (not run by us)
```
cd rtl && vivado -mode batch -source vivado.tcl
```
The part is `{part}`. Then, on a board with PYNQ:
```python
import pynq
from driver import Accelerator
overlay = pynq.Overlay('accelerator.bit')
accelerator = Accelerator('.', overlay.axi_accelerator_0.mmio, pynq.allocate)
maps = accelerator.run(image)  # (3, {side}, {side}) uint8, in the order of the channels of manifest.json
boxes, scores, labels = detect(maps, manifest)[0]  # of postprocess.py
```
Where detplug is installed too, `plugins.fpga.bundle.detector.predict_folder(bundle, accelerator, pictures, out)` writes
what `detplug predict` writes.
{vitis}
Clock and power come from your tools: none was measured here on this part.
"""
VITIS = """## With Vitis HLS (not run by us)
```
cd hls && vitis-run --tcl build_prj.tcl --mode hls
```
`build_opt.tcl` asks for synthesis and an IP for `{part}`.
{fifos}
"""
COMPARED = ';\nthe HLS project, in C simulation, with the same ({share} of the multiplications)'
ROW = '| `hls/` | hls4ml project, {share} of the multiplications |\n'
FIFOS = 'Its streams hold whole maps, at least {have:.1f} MB before any weight;\n{board} has {room:.1f} MB: {end}.'


def readme(manifest: dict, title: str, board: str, part: str) -> str:
    """The text; ``part`` is the device of the board."""
    hls, rtl = manifest['hls'], manifest['rtl']
    share = '' if hls is None else f'{hls["share_of_macs"]:.0%}'
    return TEXT.format(
        title=title,
        classes=len(manifest['classes']),
        side=manifest['input']['shape'][-1],
        version=manifest['versions']['detplug'],
        hls_compared='' if hls is None else COMPARED.format(share=share),
        hls_row='' if hls is None else ROW.format(share=share),
        vitis='' if hls is None else VITIS.format(part=part, fifos=fifos(hls, board)),
        maps=rtl['maps_checked'],
        values=rtl['values_compared'],
        array=rtl['array'],
        board=board,
        part=part,
    )


def fifos(hls: dict, board: str) -> str:
    """What the streams of the project need."""
    end = 'they may fit' if hls['fifos_fit'] else 'they do not fit, take a smaller `hls_ends` or image'
    have, room = hls['fifo_bytes'] / 1e6, hls['memory_bytes_of_board'] / 1e6
    return FIFOS.format(have=have, board=board, room=room, end=end)
