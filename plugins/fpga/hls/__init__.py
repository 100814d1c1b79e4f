"""hls4ml project and C simulation of an integer network, equal to it bit for bit."""
