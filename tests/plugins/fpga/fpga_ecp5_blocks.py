"""A model of the ECP5's multiplier block, of what Lattice's FPGA-TN-02205 says of the registers that we use."""

BITS = 18


def verilog_of_block() -> str:
    """The module MULT18X18D; every port of a bus is one of a bit."""
    buses = {'A': BITS, 'B': BITS, 'P': 2 * BITS}
    ports = {name: [f'{name}{bit}' for bit in range(width)] for name, width in buses.items()}
    inputs = [*ports['A'], *ports['B'], 'SIGNEDA', 'SIGNEDB', 'CLK0', 'CE0', 'CE1', 'RST0']
    parameters = [f'REG_INPUT{x}_{part}' for x in 'AB' for part in ('CLK', 'CE')] + ['REG_OUTPUT_CLK', 'REG_OUTPUT_CE']
    enable = {'A': _enable('REG_INPUTA'), 'B': _enable('REG_INPUTB'), 'P': _enable('REG_OUTPUT')}
    defaults = ', '.join(f'parameter {x} = "{"NONE" if x.endswith("CLK") else "CE0"}"' for x in parameters)
    return f"""
module MULT18X18D #({defaults}) ({', '.join([f'input {x}' for x in inputs] + [f'output {x}' for x in ports['P']])});
  wire signed [{BITS}:0] a = {{SIGNEDA & A{BITS - 1}, {', '.join(reversed(ports['A']))}}};
  wire signed [{BITS}:0] b = {{SIGNEDB & B{BITS - 1}, {', '.join(reversed(ports['B']))}}};
  reg signed [{BITS}:0] a_kept, b_kept;
  reg [{2 * BITS - 1}:0] p_kept;
  wire signed [{BITS}:0] left = REG_INPUTA_CLK == "CLK0" ? a_kept : a;
  wire signed [{BITS}:0] right = REG_INPUTB_CLK == "CLK0" ? b_kept : b;
  wire signed [{2 * BITS + 1}:0] product = left * right;
  always @(posedge CLK0) begin
    if ({enable['A']}) a_kept <= a;
    if ({enable['B']}) b_kept <= b;
    if ({enable['P']}) p_kept <= product[{2 * BITS - 1}:0];
    if (RST0) begin a_kept <= 0; b_kept <= 0; p_kept <= 0; end
  end
  assign {{{', '.join(reversed(ports['P']))}}} = REG_OUTPUT_CLK == "CLK0" ? p_kept : product[{2 * BITS - 1}:0];
endmodule
"""


def _enable(register: str) -> str:
    return f'{register}_CE == "CE1" ? CE1 : CE0'
