"""The learned codebook: augmentation, encoders, centroids and head in one graph, and the last head."""
