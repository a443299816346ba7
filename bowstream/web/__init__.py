"""The page: what is heard, live and looked back on, for a browser; safe on a home's network."""
