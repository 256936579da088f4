"""What every part is made of: threads, deadlines, files, words."""
