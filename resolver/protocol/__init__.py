"""What a server and its clients agree on: how records and errors look as JSON. Neither knows the other."""
