"""Whether what a camera shows can be judged: one look a second, on small grey copies."""
