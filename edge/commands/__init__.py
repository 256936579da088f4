"""The commands of `maskd`, a file each."""
