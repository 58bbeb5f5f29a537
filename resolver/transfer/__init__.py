"""Files that secrets travel in: our own sealed format, and Cloudify's. Text to records and back, no I/O."""
