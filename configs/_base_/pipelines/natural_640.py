# Photographs at 640 px: the YOLOv5 recipe (mosaic, scale, translation, horizontal flip, colour).
img_scale = (640, 640)  # width, height of the network input in px

# each source image, before mixing; boxes as numpy until PackDetInputs
source_pipeline = [
    dict(type='LoadAnnotations', with_bbox=True, box_type=None),
    # cache_mb: MB of disk for resized images, one file for all processes and runs; 0: no cache
    dict(type='LoadResizedImage', scale=img_scale, cache_mb=8192),
]
mix_pipeline = [
    dict(type='MosaicAffine', scale=img_scale, zoom=(0.5, 1.5), shift=0.1, flips=(0.5, 0, 0)),
    dict(type='ColourJitter', hue=0.015, saturation=0.7, value=0.4),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'mosaic_img_ids')),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Letterbox', scale=img_scale, fixed=True, centre=True),  # the official weights were tested like this
    dict(type='LoadAnnotations', with_bbox=True),  # after Letterbox: boxes stay in pixels of the original image
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'pad_offset',
            'instances',
            'unknown_instances',
        ),
    ),
]
