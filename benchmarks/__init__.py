"""What the client costs, next to others: `make bench`."""
