"""Adapters for orchestrators. An adapter is imported only when it is used."""
