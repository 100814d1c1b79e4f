# Generated parasite eggs, from scratch, to be compressed and put on an FPGA: what `make demo` trains.
_base_ = '../yolov5/yolov5n_parasite-samples.py'
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
test_evaluator = dict(type='OpenSetMetric', max_dets=300)  # also says what eggs of unknown species are called
# of the bundle (plugins/fpga/bundle/settings.py): N of the array; where the HLS project ends
fpga = dict(board='ZCU104', array=8, hls_ends=['backbone_stage1'])
