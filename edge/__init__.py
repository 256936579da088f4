import os

# OpenCV reads this once, when it is first imported, so it stands before every import of ours. Without it a damaged or
# hostile photo of a few kilobytes can claim three gigabytes. In pixels; what the owner set in the environment stays.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
