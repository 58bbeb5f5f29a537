"""What orchestrators get, and adapters for particular ones. An adapter is imported only when it is used."""
