"""How good a detector and a classifier are on labelled photos."""
