# 80 + 80 images of COCO 2017 in COCO's layout: for tests and known answers, not for training a detector.
_base_ = './coco.py'

data_root = '{{$DETPLUG_DATA:data}}/coco_tiny/'
train_dataloader = dict(num_workers=0, dataset=dict(dataset=dict(dataset=dict(data_root=data_root))))
val_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
