"""int8 detectors with power-of-two scales, and what is made of them for an FPGA.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) describes the accelerator; integers, export and checks are ours. The tools of
the extra [fpga] are imported where one is used: pip install detplug[fpga], or make setup.
"""
