"""Diffusion over mixed rows: tensors in, tensors out; no frames, no files, no progress bars.

schedules   how much signal is left at time t
gaussian    the process of numeric features
multinomial the process of categorical features
mixed       both at once, and what a network must offer to reverse them
objectives  what training minimises, one value per row
distillation what a former network says of rows that were drawn from it
conditions  parts of rows given in training, for draws given any cells
samplers    from noise back to rows
"""
