"""The files that must outlive a power cut."""
