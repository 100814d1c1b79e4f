"""From images to answers: detections, engines, prediction in shards. numpy, OpenCV and onnxruntime, never torch."""
