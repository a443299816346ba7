"""What sound means: log-mel, patches, codes, head, and the bundle that holds them."""
