"""Settings and the profile, read and checked once, and the files that hold them."""
