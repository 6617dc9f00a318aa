"""imbalanced-learn's SMOTENC: from the raw frame to one that it takes, one fix for each refusal."""

from _common import TARGET, raw_table, report, timed, what_came_back


def declare_categories(X):
    """Text columns become categories."""
    return X.astype({name: "category" for name in X.select_dtypes(["object", "str"])})


def count_times(X):
    """Times become nanoseconds since 1970."""
    return X.assign(**{name: X[name].astype("int64") for name in X.select_dtypes("datetime")})


def fill_holes(X):
    """Missing numbers become the median of their column."""
    return X.assign(
        **{name: X[name].fillna(X[name].median()) for name in X.select_dtypes("number") if X[name].hasnans}
    )


FIXES = {
    "declare text columns as categories": declare_categories,
    "turn times into integers": count_times,
    "fill missing cells": fill_holes,
}


def work():
    """Try the raw frame; after each refusal apply the next fix and try again."""
    with timed("import"):
        import imblearn
        from imblearn.over_sampling import SMOTENC
    table = raw_table()
    X, y = table.drop(columns=TARGET), table[TARGET]
    fixes, left = [], dict(FIXES)
    while True:
        try:
            with timed("fit"):
                X_res, y_res = SMOTENC("auto", random_state=0).fit_resample(X, y)
            break
        except (TypeError, ValueError) as error:
            if not left:
                raise
            name = next(iter(left))
            X = left.pop(name)(X)
            message = (str(error).strip().splitlines() or [type(error).__name__])[0]
            fixes.append({"fix": name, "after": message[:200]})
    new = X_res.assign(**{TARGET: y_res}).iloc[len(table) :]
    n_new = len(y) - 2 * int(y.sum())
    versions = {"imbalanced-learn": imblearn.__version__}
    return {"versions": versions, "fixes": fixes, **what_came_back(table, new, n_new)}


report(work)
