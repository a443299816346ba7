"""The paper's recipe: autoencoders, export, codebooks, counts, head, calibration, and the bundle they end in."""
