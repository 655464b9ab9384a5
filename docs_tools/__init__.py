"""What makes the documentation: its blocks are run, and its generated pages written."""
