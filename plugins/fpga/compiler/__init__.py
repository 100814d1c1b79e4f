"""From a network of integers to a program of the accelerator: layouts, places, tiles, instructions. Ours."""
