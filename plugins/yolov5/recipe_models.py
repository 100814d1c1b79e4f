"""The models of this plugin for ``detplug train --data``; imports nothing heavy."""

from detplug.recipe.models import RecipeModel

SCRATCH = dict(type='AdamW', lr=2e-3, betas=(0.937, 0.999), weight_decay=0.01)
FINETUNE = dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=5e-4, nesterov=True, fused=True)
# YOLOv5 scales the weight of the class loss by classes / 80, too little for few classes
LINES = ("model['bbox_head']['criterion']['cls_weight'] = 1.5 if len(classes) < 20 else 0.5",)

MODELS = {
    f'yolov5{size}': RecipeModel(
        f'YOLOv5{size}; official weights: detplug convert_weights yolov5',
        f'detplug::_base_/models/yolov5{size}.py',
        ('plugins.yolov5.register',),
        SCRATCH,
        FINETUNE,
        clip=None,
        lines=LINES,
    )
    for size in 'nsmlx'
}
