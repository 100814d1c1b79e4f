"""What the accelerator's words hold, so that scales are chosen within it."""

MAX_SHIFT = 31  # of sums to 8 bits, by 5 bits a channel
BIAS_BITS = 27  # of the 32 bits of a channel's entry; the other 5 are its shift
INDEX_BITS = 10  # of sums that are looked up in a table
MAX_BIAS = (1 << (BIAS_BITS - 1)) - 1
