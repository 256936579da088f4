"""Reads labelled photos as people have them: Pascal VOC, YOLO, COCO, class folders, and photos without people.

`layout.find_sets` says what lies in a folder, `reading.read_set` reads it. What cannot be read is never taken for a
photo without faces: it is left out and listed, or it is an error that says what was expected.
"""
