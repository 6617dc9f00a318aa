"""Ways to make rare rows with one diffusion model of the whole table, and to use them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pandas as pd
from learners import Matrices
from rivals import Rows, wanted_rows
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from tabdiff import TableSynthesizer

__all__ = ["Designs"]

TARGET = "rare_class_"


class Designs:
    """Rows of one trained model by several designs; each pool is drawn once and shared by all amounts."""

    def __init__(self, X: pd.DataFrame, y: np.ndarray, seed: int, max_steps: int | None):
        self.X, self.y, self.seed = X, y, seed
        self.n = max(wanted_rows(y, 1.0), int(y.sum()))
        self.model = TableSynthesizer(target=TARGET, random_state=seed, max_steps=max_steps)

    def fit(self) -> Designs:
        """Train the model."""
        self.model.fit(self.X.assign(**{TARGET: self.y}))
        return self

    def _drawn(self, n: int, seed: int, guidance: float = 0.0) -> pd.DataFrame:
        self.model.set_params(guidance_weight=guidance)
        rows = self.model.sample(n, where={TARGET: 1}, random_state=seed)
        self.model.set_params(guidance_weight=0.0)
        return rows.drop(columns=TARGET)

    @cached_property
    def plain(self) -> pd.DataFrame:
        """Rows of the rare class as the model draws them."""
        return self._drawn(self.n, self.seed)

    @cached_property
    def guided(self) -> pd.DataFrame:
        """Rows under classifier-free guidance."""
        return self._drawn(min(self.n, wanted_rows(self.y, 0.3)), self.seed, 1.0)

    @cached_property
    def judge(self) -> tuple[np.ndarray, HistGradientBoostingClassifier]:
        """Cross-fitted probabilities of the real rows, and a classifier of all of them."""
        matrices = Matrices.fit(self.X)
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)
        folds = StratifiedKFold(min(5, int(self.y.sum())), shuffle=True, random_state=self.seed)
        codes = matrices.codes(self.X)
        honest = cross_val_predict(model, codes, self.y, cv=folds, method="predict_proba")[:, 1]
        return honest, model.fit(codes, self.y)

    def _probability(self, rows: pd.DataFrame) -> np.ndarray:
        matrices = Matrices.fit(self.X)
        return self.judge[1].predict_proba(matrices.codes(rows))[:, 1]

    @cached_property
    def confident(self) -> pd.DataFrame:
        """Rows whose probability is above the lowest tenth of that of real rare rows."""
        floor = np.quantile(self.judge[0][self.y == 1], 0.1)
        pool = self.plain if self.n > 4000 else self._drawn(2 * self.n, self.seed)
        kept = pool[self._probability(pool) >= floor]
        return kept.iloc[: self.n]

    @cached_property
    def boundary(self) -> pd.DataFrame:
        """Rows drawn again in the proportion of p (1 - p)."""
        p = np.clip(self._probability(self.plain), 0.01, 0.99)
        rng = np.random.default_rng(self.seed)
        n = min(len(p), max(1, wanted_rows(self.y, 0.3)))
        return self.plain.iloc[rng.choice(len(p), n, replace=False, p=p * (1 - p) / (p * (1 - p)).sum())]

    def near(self, t: float, n: int) -> pd.DataFrame:
        """Real rare rows, noised up to time t and drawn back."""
        frame = self.X.assign(**{TARGET: self.y})
        rare = frame[self.y == 1]
        picked = np.resize(np.random.default_rng(self.seed).permutation(len(rare)), n)
        return revised(self.model, rare.iloc[picked].reset_index(drop=True), t, self.seed).drop(
            columns=TARGET
        )

    def arms(self) -> dict[str, Callable[[], Rows]]:
        """The arms by name, each still to be made."""
        n_rare = int(self.y.sum())
        amounts = {"x2": n_rare}
        amounts |= {f"{r}": wanted_rows(self.y, r) for r in (0.1, 0.3, 1.0) if wanted_rows(self.y, r)}
        arms: dict[str, Callable[[], Rows]] = {}
        for words, n in amounts.items():
            arms[f"ours {words}"] = lambda n=n: self._with(self.plain, n)
            arms[f"ours confident {words}"] = lambda n=n: self._with(self.confident, n)
            arms[f"ours near .25 {words}"] = lambda n=n: self._with(self.near(0.25, n), n)
            if words != "0.1":
                arms[f"ours near .5 {words}"] = lambda n=n: self._with(self.near(0.5, n), n)
        arms["ours weighted"] = lambda: self._with(self.plain, len(self.plain), n_rare)
        arms["ours confident weighted"] = lambda: self._with(self.confident, len(self.confident), n_rare)
        if wanted_rows(self.y, 0.3):
            arms["ours guided 0.3"] = lambda: self._with(self.guided, wanted_rows(self.y, 0.3))
            arms["ours boundary 0.3"] = lambda: self._with(self.boundary, wanted_rows(self.y, 0.3))
        return arms

    def _with(self, rows: pd.DataFrame, n: int, mass: float | None = None) -> Rows:
        """The real rows and the first n of these; mass: total weight of the latter."""
        rows = rows.iloc[:n]
        weight = None
        if mass is not None:
            weight = np.concatenate([np.ones(len(self.y)), np.full(len(rows), mass / max(1, len(rows)))])
        X = pd.concat([self.X, rows[list(self.X)]], ignore_index=True)
        return Rows(X, np.concatenate([self.y, np.ones(len(rows), self.y.dtype)]), weight)


def revised(model: TableSynthesizer, frame: pd.DataFrame, t: float, seed: int) -> pd.DataFrame:
    """Rows of a fitted model near the given ones."""
    from tabdiff import frames
    from tabdiff.seeds import seed_sequence

    columns, template = frames.read(frame)
    table, target = model._table, model._target
    columns = table.aligned(columns)
    label = target.codes_of(next(column for column in columns if column.name == TARGET))
    return template.rebuild(table.revise(columns, label, seed_sequence(seed), t))
