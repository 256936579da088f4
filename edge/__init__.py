import os

_DEFAULT_MAX_PIXELS = 2**26


def _max_pixels() -> int:
    try:
        return int(os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS", ""))
    except ValueError:
        return _DEFAULT_MAX_PIXELS


MAX_PIXELS = _max_pixels()
"""Most pixels of a picture that is decoded: 67 million, as many as the largest common phone camera takes (64 million)
and twice as many as 8K video has; decoding that many takes 400 MB. An owner raises it, for photos, by the environment
variable OPENCV_IO_MAX_IMAGE_PIXELS."""

# OpenCV reads this once, when it is first imported, so it comes before all our imports. Without it a damaged or hostile
# photo of a few kilobytes can claim three gigabytes. What the owner set in the environment stays.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))

# Likewise: two libraries each have an OpenBLAS, which starts a thread for each core with a buffer for each thread, and
# nothing here multiplies matrices that are large enough for them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Pydantic looks through every installed package for plug-ins. maskd has none, and takes none from other packages.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
