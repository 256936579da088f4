"""Detectors and classifiers side by side on labelled photos: `maskd-train evaluate`."""
