"""An archive of recordings: heard by many processes or machines, stopped and gone on with at any moment."""
