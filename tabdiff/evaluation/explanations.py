"""What each measure asks, which values are good, and what it cannot see: one plain sentence for each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPLANATIONS", "Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """title: what to call the measure. asks, good, blind: a question, its best answer, and the blind spot."""

    title: str
    asks: str = ""
    good: str = ""
    blind: str = ""


EXPLANATIONS = {
    "fidelity.validity.new_levels": Explanation(
        "Levels nobody has seen",
        "How many synthetic rows hold a category that no real row has?",
        "0.",
        "wrong combinations of known categories.",
    ),
    "fidelity.validity.out_of_range": Explanation(
        "Out of range",
        "How many synthetic rows hold a number outside of what real rows span?",
        "As rarely as a real row exceeds all others.",
        "wrong numbers inside of the range.",
    ),
    "fidelity.validity.not_whole": Explanation(
        "Fractions among whole numbers",
        "How many cells hold a fraction where real rows hold whole numbers only?",
        "0.",
        "whole numbers that are wrong.",
    ),
    "fidelity.missing.rate": Explanation(
        "Missing cells, worst column",
        "By how much does the share of missing cells differ in the worst column?",
        "0, or as little as between real tables.",
        "which rows the cells are missing in.",
    ),
    "fidelity.missing.pattern": Explanation(
        "Missing cells, together",
        "Are cells missing in the same combinations as in real rows?",
        "As little difference as between real tables.",
        "whether missing cells go with other values.",
    ),
    "fidelity.marginal.mean": Explanation(
        "Columns one by one, on average",
        "How far is a column from the real one, beyond what real tables differ from each other?",
        "0.",
        "every relation between columns: shuffled columns score perfectly.",
    ),
    "fidelity.marginal.worst": Explanation(
        "Columns one by one, the worst",
        "How far is the worst column from the real one, beyond what real tables differ?",
        "0.",
        "every relation between columns.",
    ),
    "fidelity.tails.exceedance": Explanation(
        "Extreme values",
        "Are extreme values as common as in real rows, in the column where it is least so?",
        "0; 0.7 is twice as common, -0.7 half as common.",
        "the middle of the distribution.",
    ),
    "fidelity.pairs.score": Explanation(
        "Relations between pairs of columns",
        "How much of the relation between two columns is lost?",
        "0; 1 is as bad as columns shuffled one by one.",
        "relations that need three columns.",
    ),
    "fidelity.pairs.target": Explanation(
        "Relations with the target",
        "How much of the relation between the target and each other column is lost?",
        "0; 1 is as bad as columns shuffled one by one.",
        "relations that need three columns.",
    ),
    "fidelity.c2st.auc": Explanation(
        "Can a classifier tell them apart?",
        "How well does a boosted classifier tell synthetic rows from held-out real ones?",
        "0.5: it can only guess. 1: it always knows.",
        "copied rows, which look as real as they are; rare classes, which are few.",
    ),
    "fidelity.c2st.rare.auc": Explanation(
        "The same within the rare class",
        "How well does a classifier tell synthetic rare rows from real rare rows?",
        "0.5: it can only guess.",
        "copied rows; small defects if the class has few rows.",
    ),
    "fidelity.coverage.all": Explanation(
        "Coverage",
        "What share of held-out real rows has a synthetic row near it?",
        "As many as training rows reach.",
        "synthetic rows where no real row is.",
    ),
    "fidelity.coverage.rare": Explanation(
        "Coverage of the rare class",
        "What share of held-out rare rows has a synthetic rare row near it?",
        "As many as training rows reach.",
        "synthetic rows where no real row is.",
    ),
    "fidelity.diversity.unique": Explanation(
        "Different rows",
        "How many different rows are among the synthetic ones?",
        "As many as among real rows.",
        "rows that are nearly, but not quite, the same.",
    ),
    "fidelity.diversity.near_duplicates": Explanation(
        "Rows that nearly repeat each other",
        "How many synthetic rows lie unusually close to another synthetic row?",
        "As few as among real rows.",
        "variety that is lost far from every row.",
    ),
    "fidelity.rare.share": Explanation(
        "Share of the rare class",
        "By how much is the rare class more common than in real rows?",
        "0, or above it if the class was enlarged on purpose.",
        "what the rare rows look like.",
    ),
    "utility.tstr.gap": Explanation(
        "Learning from synthetic rows alone",
        "What changes on held-out rows if a classifier learns from synthetic instead of real rows?",
        "0; below 0 it does worse on real rows.",
        "privacy: a copy of the real rows loses nothing.",
    ),
    "utility.augmentation.gain": Explanation(
        "Gain from adding synthetic rows",
        "How much better are held-out rows predicted once synthetic rows are added to the real ones?",
        "Above 0 with its whole interval.",
        "classifiers other than the one used here.",
    ),
    "utility.augmentation.recall_at_precision": Explanation(
        "Recall at a fixed precision",
        "How many more rare rows are found while false alarms stay as rare?",
        "Above 0 with its whole interval.",
        "other working points.",
    ),
    "utility.augmentation.recall_at_budget": Explanation(
        "Recall at a fixed number of alerts",
        "How many more rare rows are found with the same number of alerts?",
        "Above 0 with its whole interval.",
        "other working points.",
    ),
    "utility.augmentation.over_class_weight": Explanation(
        "Against class weights",
        "Is adding synthetic rows better than weighting the classes?",
        "Above 0 with its whole interval.",
        "other weights than the balanced ones.",
    ),
    "utility.augmentation.over_random": Explanation(
        "Against repeating rows",
        "Is adding synthetic rows better than repeating real rare rows?",
        "Above 0 with its whole interval.",
        "other amounts.",
    ),
    "utility.augmentation.over_smote": Explanation(
        "Against SMOTE",
        "Is adding synthetic rows better than adding SMOTE's?",
        "Above 0 with its whole interval.",
        "other settings of SMOTE.",
    ),
    "utility.calibration.brier": Explanation(
        "Probabilities as they come",
        "How much worse are probabilities after synthetic rows have changed the class shares?",
        "0 or below: the Brier score does not rise.",
        "the ranking, which may still have become better.",
    ),
    "utility.calibration.brier_corrected": Explanation(
        "Probabilities after correction",
        "And once they are corrected for the changed class shares?",
        "0 or below.",
        "the ranking.",
    ),
    "privacy.copies.exact": Explanation(
        "Verbatim copies",
        "What share of training rows occurs verbatim, beyond the share of held-out rows that do by chance?",
        "0.",
        "a copy with one digit changed.",
    ),
    "privacy.copies.near": Explanation(
        "Near copies",
        "What share of training rows has a synthetic row far closer than any real one, beyond held-out rows?",
        "0.",
        "leaks that move rows further away.",
    ),
    "privacy.mia.auc": Explanation(
        "Who was in the training table?",
        "How well does an attacker with the synthetic rows tell training rows from held-out ones?",
        "0.5: guessing.",
        "a handful of leaked rows, which an average over all rows hides.",
    ),
    "privacy.mia.tpr_at_1pct": Explanation(
        "Found with 1 % false alarms",
        "What share of training rows does that attack find with 1 false alarm in 100?",
        "0.01: as many as false alarms.",
        "fewer leaked rows than its interval is wide.",
    ),
    "privacy.mia.tpr_at_01pct": Explanation(
        "Found with 0.1 % false alarms",
        "What share of training rows does that attack find with 1 false alarm in 1,000?",
        "0.001: as many as false alarms.",
        "fewer leaked rows than its interval is wide.",
    ),
    "privacy.mia.rare.auc": Explanation(
        "The same within the rare class",
        "How well does the attacker tell rare training rows from rare held-out ones?",
        "0.5: guessing.",
        "small leaks if the class has few rows.",
    ),
    "privacy.tail_scan": Explanation(
        "The most exposed rows",
        "Of the rows that look most like members, how many more are of train than chance allows?",
        "0.",
        "leaks that spread thinly over all rows.",
    ),
    "privacy.outlier_run": Explanation(
        "A run of isolated rows",
        "Among unusual rows, how many of train come nearest to synthetic ones before the first held-out row?",
        "As many as after a random split.",
        "leaks of usual rows.",
    ),
    "privacy.attribute_inference": Explanation(
        "Guessing a hidden value",
        "How much more often do synthetic rows give away a hidden value of training rows than of others?",
        "0: what is learned holds for everybody.",
        "attackers who know other columns.",
    ),
    "privacy.linkability": Explanation(
        "Linking two halves of a record",
        "How much more often do both halves of a training row lead to one synthetic row than of others?",
        "0.",
        "other ways to split the columns.",
    ),
    "privacy.singling_out": Explanation(
        "Singling out",
        "How much more often do conditions read off synthetic rows fit one training row than one other row?",
        "0.",
        "conditions on other columns than those tried.",
    ),
    "privacy.whitebox.auc": Explanation(
        "The attack with the model in hand",
        "How well does an attacker who has the model itself tell training rows from held-out ones?",
        "0.5: guessing.",
        "attackers who train models of their own.",
    ),
    "privacy.whitebox.rare.auc": Explanation(
        "With the model, within the rare class",
        "And among rare rows?",
        "0.5: guessing.",
        "small leaks if the class has few rows.",
    ),
    "privacy.identifiable": Explanation(
        "Rows that can be told apart",
        "What share of real rows differs from all others? Attacks need such rows.",
        "No value is good or bad.",
        "whether anybody knows the values.",
    ),
    "privacy.limit.copied_outliers": Explanation(
        "Limit: copied outliers",
        "How many copied outliers would have been noticed?",
        "The fewer, the sharper the eye.",
        "what lies below this limit.",
    ),
    "privacy.limit.auc": Explanation(
        "Limit: membership attack",
        "From which AUC on would the membership attack have been called a leak?",
        "The nearer to 0.5, the sharper the eye.",
        "what lies below this limit.",
    ),
    "series.lengths": Explanation(
        "Lengths of series",
        "How differently long are synthetic series?",
        "0, or as little as between real tables.",
        "what the steps hold.",
    ),
    "series.time.gaps": Explanation(
        "Time between steps",
        "How differently is the time from one step to the next distributed?",
        "0, or as little as between real tables.",
        "whether short and long gaps follow each other as in real series.",
    ),
    "series.time.gap_autocorrelation": Explanation(
        "Gaps that follow gaps",
        "How much more does a short gap follow a short one than in real series?",
        "0; below 0 short gaps come less in a row than real ones.",
        "how long gaps are.",
    ),
    "series.time.velocity": Explanation(
        "Steps within a short time",
        "How differently many steps fall within a short time before a step?",
        "0, or as little as between real tables.",
        "other lengths of time.",
    ),
    "series.time.bursts": Explanation(
        "Bursts",
        "How differently long are runs of quick steps?",
        "0, or as little as between real tables.",
        "what happens in a burst.",
    ),
    "series.time.active_days": Explanation(
        "Steps on active days",
        "How differently many steps has an entity on a day on which it has any?",
        "0, or as little as between real tables.",
        "how many days pass without a step.",
    ),
    "series.time.hour": Explanation(
        "Hour of the day",
        "How differently are steps spread over the hours of the day?",
        "0, or as little as between real tables.",
        "which entity is active at which hour.",
    ),
    "series.time.weekday": Explanation(
        "Day of the week",
        "How differently are steps spread over the days of the week?",
        "0, or as little as between real tables.",
        "which entity is active on which day.",
    ),
    "series.time.monthday": Explanation(
        "Day of the month",
        "How differently are steps spread over the days of the month?",
        "0, or as little as between real tables.",
        "which steps are due on which day.",
    ),
    "series.order.1gram": Explanation(
        "Levels of single steps",
        "How differently common are the levels of steps?",
        "0, or as little as between real tables.",
        "all order: shuffled steps score perfectly.",
    ),
    "series.order.2gram": Explanation(
        "Pairs of steps",
        "How differently common are pairs of levels in a row?",
        "0, or as little as between real tables.",
        "longer runs, and how columns go together.",
    ),
    "series.order.3gram": Explanation(
        "Three steps in a row",
        "How differently common are three levels in a row?",
        "0, or as little as between real tables; shuffled steps show what no order at all scores.",
        "longer runs, and how columns go together.",
    ),
    "series.order.transitions": Explanation(
        "What follows a level",
        "From a level of a step, how often would another one have to follow to be as in real series?",
        "0, or as little as between real tables.",
        "what a step owes to those before the last.",
    ),
    "series.order.autocorrelation": Explanation(
        "Numbers that follow numbers",
        "How differently do numbers go on from one step to the next?",
        "0, or as little as between real tables.",
        "what is not monotone, and longer memory.",
    ),
    "series.order.cross_correlation": Explanation(
        "Numbers that go together",
        "How differently do the numbers of a step move together within an entity?",
        "0, or as little as between real tables.",
        "what entities differ in as a whole.",
    ),
    "series.structure.between": Explanation(
        "What entities have of their own",
        "How differently much of the variance of numbers lies between entities?",
        "0, or as little as between real tables.",
        "levels, and how entities change over time.",
    ),
    "series.structure.context": Explanation(
        "Context that changes",
        "How many synthetic entities change in a column that no real entity changes in?",
        "0.",
        "context that is constant and wrong.",
    ),
    "series.nearest.ratio": Explanation(
        "Nearest window of train",
        "How near do synthetic windows come to train, beside what held-out windows do?",
        "1: as far as fresh real ones. 0: copies.",
        "a few copied series, which a median hides; unrealistic series, which are far from all.",
    ),
    "descriptive.dcr_share": Explanation(
        "Nearer to train than to holdout (DCR share)",
        "What share of synthetic rows is nearer to a training row than to a held-out one?",
        "0.5.",
        "a few copied rows; it lags far behind real attacks.",
    ),
    "descriptive.nndr": Explanation(
        "Nearest to second nearest (NNDR)",
        "How near is the nearest training row compared with the second nearest?",
        "As near as for held-out rows.",
        "copied rows that have close neighbours.",
    ),
    "descriptive.exact_match_share": Explanation(
        "Share of exact matches",
        "What share of synthetic rows equals some training row?",
        "As many as equal held-out rows.",
        "copies with one digit changed.",
    ),
}


def explain(name: str) -> Explanation:
    """The explanation of an estimate; a user's own measure goes by its name."""
    return EXPLANATIONS.get(name, Explanation(name))
