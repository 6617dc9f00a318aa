"""How much synthetic series are like real series that no generator has seen, entity by entity.

sequences  the steps of each table in order; what a measure of series works on
distances  distances of two distributions, given as counts
order      which step follows which     timing     when steps come
structure  what entities have of their own    nearest    how near windows come to those of train
resampled  one figure with its interval, from sums over entities    measures   all of them as estimates
asking     what a user asks, checked

`measures` registers them; a comparison without series has none.
"""
