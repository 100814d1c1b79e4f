"""The accelerator on an AXI bus: AXI4 master to a memory, AXI4-Lite registers, instructions fetched.

AXI as in AMBA AXI and ACE Protocol Specification (Arm IHI 0022); the design is ours. Beat: what the bus carries in a
cycle; burst: the beats of one address; run: neighbouring words of one request of the accelerator.
"""
