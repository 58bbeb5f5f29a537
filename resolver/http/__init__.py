"""HTTP as this program speaks it as a client: URLs, connections, TLS."""
