"""README.md of a bundle, for somebody who has the vendor's tools."""

TEXT = """# {title}
{classes} classes, input {side} x {side} px, exported by detplug {version}. Before anything was written
it was compared with the quantised torch model, bit for bit (manifest.json: errors, hls, rtl).

| file | what |
| --- | --- |
| `model.onnx` | the network in the QONNX dialect, images to raw maps of the head |
| `postprocess.py` | raw maps to boxes, numpy only: `detect(maps, manifest)` |
| `golden.npz` | images (uint8) and the integers that every output must have for them |
| `hls/` | hls4ml project, {hls} of the multiplications |
| `rtl/` | the Tensor-Train accelerator {array} x {array}: Verilog, instructions, memory image |
| `report.html` | cycles, resources, boards, roofline; what is assumed |

The integers of a map stand for q * 2 ** -frac (`outputs.formats` in manifest.json).

## With Vitis HLS
```
cd hls && vitis_hls -f build_prj.tcl "reset=1 csim=1 synth=1 cosim=0 export=1"
```
## With Vivado
```
read_verilog rtl/accelerator.v
synth_design -top accelerator -part {part}
```
Connect the port of the memory outside to DDR, write `rtl/memory.bin` there and `rtl/instructions.bin` into the
instruction port; `rtl/program.json` tells the word at which each map begins. Clock and power come from your tools: none
was measured here.
"""


def readme(manifest: dict, title: str, part: str) -> str:
    """The text; ``part`` is the device of the board."""
    return TEXT.format(
        title=title,
        classes=len(manifest['classes']),
        side=manifest['input']['shape'][-1],
        version=manifest['versions']['detplug'],
        hls=f'{manifest["hls"]["share_of_macs"]:.0%}',
        array=manifest['rtl']['array'],
        part=part,
    )
