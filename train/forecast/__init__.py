"""How long the recipe would take on a data set, and how much memory and disk, from short runs here.

What each stage has to do is counted (`work.py`). Short runs on made-up sound tell what a unit of it costs (`rates.py`).
"""
