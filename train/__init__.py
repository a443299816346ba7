"""train: from a folder of recordings to a bundle, by the recipe of P. Verma, 2022.

Start at `model/recipe.py`: the stages in their order. `python -m train --help` shows the commands. Imports go one way:

    common ─► dataset ─► model ─► learned ─► measure ─► report ─► run, sweep, cost ─► cli
"""
