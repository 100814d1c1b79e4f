"""The accelerator on a simulated AXI bus: cocotb and cocotbext-axi on Verilator, with stalls, resets and faults."""
