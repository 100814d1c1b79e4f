"""From a file to the network's input: reading, letterbox, tiles, lists of pictures. numpy and OpenCV, never torch."""
