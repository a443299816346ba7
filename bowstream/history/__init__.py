"""What was heard: the file that the history sink keeps, and what can be asked of it."""
