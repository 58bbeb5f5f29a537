"""Plugins: what they may implement, and how they are found and called."""
