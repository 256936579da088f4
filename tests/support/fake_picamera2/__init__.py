"""Stand-ins for picamera2 and libcamera, which need a Raspberry Pi: put this folder on sys.path, and they import.

They have the real ones' names and signatures, and copy those of their ways that a program can fall into. Each is marked
`Trap:` where it stands, and was taken from the source of picamera2 0.3.38; 0.3.12, 0.3.18 and 0.3.31 were compared.
"""
