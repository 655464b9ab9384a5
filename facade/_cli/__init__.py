"""Of the command line: what its commands share, and the commands that are modules of their own."""
