"""What `maskd check` tries, one file for each group of rows."""
