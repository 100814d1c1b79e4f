"""YOLOv5 n/s/m/l/x as mmdet backbone, neck, head and loss, and the conversion of official weights.

The architecture and the loss are YOLOv5 v6.1-7.0's (no paper); every file here is written from its published facts.
"""
