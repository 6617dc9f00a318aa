"""Reversible codes between columns and the tensors that diffusion works on.

columns one column each: normal scores, levels, constants
table   all columns of a table at once
"""
