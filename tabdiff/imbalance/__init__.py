"""Rare classes: how many synthetic rows or series, from where, which of them are kept, and whether they help.

labels      class labels as people write them
amounts     how many rows of each class are asked for, or tried
generators  a learned table as a maker of rows of given classes; those learned lately
acceptance  which rows are kept, by a classifier of the real rows
sources     rows from one model, or from one for each fold
tuning      remedies tried by cross-validation
choosing    scores, the choice and the report in words
boosting    boosted trees on frames as they are
series      whole series of rare classes, from one model of all
ohit        those of classes too small for a model
"""
