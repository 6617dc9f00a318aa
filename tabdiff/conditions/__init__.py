"""Conditions on the rows that are drawn.

reading   what a user writes, as conditions on stored cells (`tabdiff.wanted`)
scalars   one value of the user's as a cell or a bound
drawing   conditions that leave a choice, turned into cells
kernels   the density ratios that rare conditions are drawn by
"""
