"""The Tensor-Train accelerator in Amaranth, its instructions and sizes.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) describes multipliers, a memory outside and a reconstructor of dense weights;
the array and the instructions here are ours. ``instructions`` and ``sizes`` need no Amaranth; the rest needs the extra
[fpga].
"""
