"""Records as a picture on a terminal."""
