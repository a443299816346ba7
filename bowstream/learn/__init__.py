"""Tags and corrections that are taught on the device: sounds in, rows of the head out."""
