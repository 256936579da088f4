"""What an environment has."""

VERSIONS = """
import cv2, numpy, platform
from edge.vision.tflite import runtime_name
print(f"Python {platform.python_version()}, {runtime_name()}, numpy {numpy.__version__}, OpenCV {cv2.__version__}")
"""
"""A program that prints, in one line, what maskd's answers may depend on."""
