"""Following the people before a camera: who is there, how each wears the mask, and what has happened."""
