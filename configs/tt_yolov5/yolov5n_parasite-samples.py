# Generated parasite eggs, from scratch, to be compressed and put on an FPGA: what `make demo` trains.
_base_ = '../yolov5/yolov5n_parasite-samples.py'
# of the bundle (plugins/fpga/bundle/settings.py): N of the array; where the HLS project ends
fpga = dict(board='ZCU104', array=8, hls_ends=['backbone_stage1'])
