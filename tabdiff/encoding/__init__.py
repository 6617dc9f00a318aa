"""Reversible codes between columns and the tensors that diffusion works on.

codec         what every codec offers
grids, scores, numbers                 numeric columns: grid, normal scores, atoms
levels        categorical columns
formats, permutations, identifiers     identifiers: how they are written, and new ones
columns       constant and empty columns, and which codec a column gets
alignment     columns of other frames, held as those of fit
table         all columns of a table at once
"""
