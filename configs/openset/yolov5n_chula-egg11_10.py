# yolov5n_chula-egg11.py with 10 % of the training images labelled.
_base_ = './yolov5n_chula-egg11.py'

split = dict(dataset=dict(images_file='openset_10.json'))
train_dataloader = dict(dataset=dict(dataset=dict(labelled=split, unlabelled=split)))
