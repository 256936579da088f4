import os

from edge.camera.image_size import MAX_PIXELS

# OpenCV reads this once, when it is first imported, so it stands before every import of ours. Without it a damaged or
# hostile photo of a few kilobytes can claim three gigabytes. What the owner set in the environment stays.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
