"""The accelerator simulated by Verilator, and the cycle model that is equal to it. Needs the extra [fpga]. Ours."""
