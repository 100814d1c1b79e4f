"""rtl/vivado.tcl of a bundle: the accelerator in a block design with the board's processor, or synthesised alone.

Written from AMD's documentation (UG835, UG994) and never run here: no tool of a vendor is there.
"""

from ..cost.boards import Board

HEAD = """# {board}, {part}: written by the export and NOT RUN BY US. vivado -mode batch -source vivado.tcl
create_project accelerator vivado -part {part}
add_files axi_accelerator.v
"""
ALONE = """add_files -fileset constrs_1 accelerator.xdc
synth_design -top axi_accelerator -part {part} -mode out_of_context
report_utilization -file utilization.txt
report_timing_summary -file timing.txt
"""
PROCESSORS = {
    'xc7z': ('processing_system7', 'M_AXI_GP0', 'S_AXI_HP0', 'IRQ_F2P', {
        'PCW_USE_S_AXI_HP0': 1, 'PCW_FPGA0_PERIPHERAL_FREQMHZ': '{mhz:g}', 'PCW_USE_FABRIC_INTERRUPT': 1,
        'PCW_IRQ_F2P_INTR': 1,
    }),
    'xczu': ('zynq_ultra_ps_e', 'M_AXI_HPM0_FPD', 'S_AXI_HP0_FPD', 'pl_ps_irq0', {
        'PSU__USE__M_AXI_GP0': 1, 'PSU__USE__M_AXI_GP1': 0, 'PSU__USE__S_AXI_GP2': 1, 'PSU__USE__IRQ0': 1,
        'PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ': '{mhz:g}',
    }),
}  # fmt: skip
BLOCK_DESIGN = """create_bd_design system
create_bd_cell -type ip -vlnv xilinx.com:ip:{processor} ps
apply_bd_automation -rule xilinx.com:bd_rule:{processor} [get_bd_cells ps]
set_property -dict {{{settings}}} [get_bd_cells ps]
create_bd_cell -type module -reference axi_accelerator axi_accelerator_0
set_property CONFIG.ASSOCIATED_BUSIF {{m_axi:s_axi}} [get_bd_pins axi_accelerator_0/aclk]
apply_bd_automation -rule xilinx.com:bd_rule:axi4 -config {{Master /ps/{control} Slave /axi_accelerator_0/s_axi}} \\
    [get_bd_intf_pins axi_accelerator_0/s_axi]
apply_bd_automation -rule xilinx.com:bd_rule:axi4 -config {{Master /axi_accelerator_0/m_axi Slave /ps/{memory}}} \\
    [get_bd_intf_pins ps/{memory}]
connect_bd_net [get_bd_pins axi_accelerator_0/interrupt] [get_bd_pins ps/{interrupt}]
assign_bd_address
validate_bd_design
save_bd_design
add_files [make_wrapper -files [get_files system.bd] -top]
set_property top system_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream
wait_on_run impl_1
file copy -force vivado/accelerator.runs/impl_1/system_wrapper.bit accelerator.bit
file copy -force vivado/accelerator.gen/sources_1/bd/system/hw_handoff/system.hwh accelerator.hwh
"""


def vivado_script(board: Board) -> str:
    """The script: a bitstream where the board's chip has a processor (Zynq), otherwise synthesis alone."""
    head = HEAD.format(board=board.name, part=board.part)
    known = PROCESSORS.get(board.part[:4].lower())
    if known is None:
        return head + ALONE.format(part=board.part)
    processor, control, memory, interrupt, values = known
    settings = ' '.join(f'CONFIG.{name} {value}' for name, value in values.items()).format(mhz=board.clock_mhz)
    return head + BLOCK_DESIGN.format(
        processor=processor, control=control, memory=memory, interrupt=interrupt, settings=settings
    )


def constraints(board: Board) -> str:
    """accelerator.xdc: the clock that cost/boards.json assumes, for synthesis without a processor's clock."""
    return f'create_clock -name aclk -period {1000 / board.clock_mhz:.3f} [get_ports aclk]\n'
