"""The Tensor-Train accelerator: its hardware (Amaranth), its programs, cycle model and simulation (Verilator).

TT-YOLOv5 (Liu et al., arXiv 2408.01534) describes multipliers, a memory outside and a reconstructor of dense weights;
the array, the instructions and the schedules here are ours. Hardware and simulation need the extra [fpga].
"""
