"""Settings, the profile, and the files they are kept in, read and checked once."""
