"""Designs of rare rows by one diffusion model of the whole table, and of their use: which is worth having.

    python benchmarks/imbalance/ablation.py --data DIRECTORY --out LINES.jsonl

The model is trained once for each split of a table; every design draws from it. `summary.py` reads the lines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from learners import LEARNERS, Matrices
from ours import Prepared
from rivals import Rows, rivals, wanted_rows
from run import fit, judged, parts_of
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from tables import TABLES

from tabdiff import TableSynthesizer, frames
from tabdiff.seeds import seed_sequence

TARGET = "rare_class_"
LARGEST_POOL = 8_000


def main(argv: Sequence[str] | None = None) -> None:
    """Run the ablation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the tables as Parquet")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--tables", nargs="*", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--max-rows", type=int, default=8_000)
    args = parser.parse_args(argv)
    with args.out.open("a", encoding="utf-8") as out:
        for name in args.tables:
            (X, y), validation, test = parts_of(name, args.split, args.data, args.max_rows)
            designs = Designs(X, y, args.split)
            arms = {"none": lambda X=X, y=y: Rows(X, y)} | rivals(X, y, args.split) | designs.arms()
            for arm, make in arms.items():
                for line in lines_of(make, validation, test, args.split):
                    out.write(json.dumps({"table": name, "split": args.split, "arm": arm, **line}) + "\n")
            out.flush()
            print(name, flush=True)


def lines_of(make: Callable[[], Rows], validation: tuple, test: tuple, seed: int) -> list[dict[str, Any]]:
    """The results of an arm, or why it has none."""
    try:
        rows = make()
    except Exception as error:  # a method that cannot take the table is a result
        return [{"error": f"{type(error).__name__}: {str(error)[:200]}"}]
    return [
        {"learner": learner} | judged(fit(Prepared(learner, *validation, seed), rows), validation, test)
        for learner in LEARNERS
    ]


class Designs:
    """Rows of one trained model by several designs; each pool is drawn once and shared by all amounts."""

    def __init__(self, X: pd.DataFrame, y: np.ndarray, seed: int):
        self.X, self.y, self.seed = X, y, seed
        self.n_rare = int(y.sum())
        self.n = max(wanted_rows(y, 1.0), self.n_rare)
        self.model = TableSynthesizer(target=TARGET, random_state=seed).fit(X.assign(**{TARGET: y}))
        self.matrices = Matrices.fit(X)

    def drawn(self, n: int, guidance: float = 0.0) -> pd.DataFrame:
        """Rows of the rare class as the model draws them."""
        self.model.set_params(guidance_weight=guidance)
        rows = self.model.sample(n, where={TARGET: 1}, random_state=self.seed)
        self.model.set_params(guidance_weight=0.0)
        return rows.drop(columns=TARGET)

    @cached_property
    def pool(self) -> pd.DataFrame:
        """More rows than are needed, to choose from."""
        return self.drawn(min(4 * self.n, max(LARGEST_POOL, self.n)))

    @cached_property
    def judge(self) -> tuple[np.ndarray, HistGradientBoostingClassifier]:
        """Cross-fitted probabilities of the real rows, and a classifier of all of them."""
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)
        folds = StratifiedKFold(min(5, self.n_rare), shuffle=True, random_state=self.seed)
        codes = self.matrices.codes(self.X)
        honest = cross_val_predict(model, codes, self.y, cv=folds, method="predict_proba")[:, 1]
        return honest, model.fit(codes, self.y)

    @cached_property
    def p(self) -> np.ndarray:
        """The judge's probability of the rows of the pool."""
        return self.judge[1].predict_proba(self.matrices.codes(self.pool))[:, 1]

    def confident(self, share: float) -> pd.DataFrame:
        """Rows of the pool at least as probable as this quantile of real rare rows that were held out."""
        return self.pool[self.p >= np.quantile(self.judge[0][self.y == 1], share)]

    def chosen(self, n: int, weight: np.ndarray) -> pd.DataFrame:
        """Rows of the pool in the proportion of weights, none twice."""
        rng = np.random.default_rng(self.seed)
        n = min(n, len(weight))
        return self.pool.iloc[rng.choice(len(weight), n, replace=False, p=weight / weight.sum())]

    def near(self, t: float, n: int) -> pd.DataFrame:
        """Real rare rows, noised up to time t and drawn back."""
        rare = self.X.assign(**{TARGET: self.y})[self.y == 1]
        picked = np.resize(np.random.default_rng(self.seed).permutation(len(rare)), n)
        columns, template = frames.read(rare.iloc[picked].reset_index(drop=True))
        table, target = self.model._table, self.model._target
        columns = table.aligned(columns)
        label = target.codes_of(next(column for column in columns if column.name == TARGET))
        rows = template.rebuild(table.revise(columns, label, seed_sequence(self.seed), t))
        return rows.drop(columns=TARGET)

    def arms(self) -> dict[str, Callable[[], Rows]]:
        """The arms by name, each still to be made."""
        amounts = {"x2": self.n_rare}
        amounts |= {f"{r}": wanted_rows(self.y, r) for r in (0.1, 0.3, 1.0) if wanted_rows(self.y, r)}
        arms: dict[str, Callable[[], Rows]] = {}
        for words, n in amounts.items():
            arms[f"plain {words}"] = lambda n=n: self.added(self.pool, n)
            arms[f"guided {words}"] = lambda n=n: self.added(self.drawn(n, 1.0), n)
            for share in (0.1, 0.5):
                arms[f"confident {share} {words}"] = lambda n=n, s=share: self.added(self.confident(s), n)
            for t in (0.25, 0.5):
                arms[f"near {t} {words}"] = lambda n=n, t=t: self.added(self.near(t, n), n)
            arms[f"plausible {words}"] = lambda n=n: self.added(self.chosen(n, self.p), n)
            edge = lambda: np.clip(self.p, 0.01, 0.99) * (1 - np.clip(self.p, 0.01, 0.99))  # noqa: E731
            arms[f"boundary {words}"] = lambda n=n, edge=edge: self.added(self.chosen(n, edge()), n)
        for mass in (0.3, 0.5, 1.0, 3.0):
            arms[f"light mass {mass}"] = lambda mass=mass: self.weighed(mass, self.p)
        arms["light, all alike"] = lambda: self.weighed(1.0, np.ones(len(self.pool)))
        arms["light, root of p"] = lambda: self.weighed(1.0, np.sqrt(self.p))
        arms["soft labels"] = self.soft
        return arms

    def added(self, rows: pd.DataFrame, n: int) -> Rows:
        """The real rows and the first n of these."""
        rows = rows.iloc[:n]
        X = pd.concat([self.X, rows[list(self.X)]], ignore_index=True)
        return Rows(X, np.concatenate([self.y, np.ones(len(rows), self.y.dtype)]))

    def weighed(self, mass: float, weight: np.ndarray) -> Rows:
        """The real rows and the pool, weighed in these proportions, together `mass` times the rare rows."""
        rows = self.added(self.pool, len(self.pool))
        weight = weight * self.n_rare * mass / weight.sum()
        return Rows(rows.X, rows.y, np.concatenate([np.ones(len(self.y)), weight]))

    def soft(self) -> Rows:
        """As light, with every synthetic row a second time as common, at the weight that it lacks."""
        rows, scale = self.weighed(1.0, self.p), self.n_rare / self.p.sum()
        X = pd.concat([rows.X, self.pool[list(self.X)]], ignore_index=True)
        y = np.concatenate([rows.y, np.zeros(len(self.pool), rows.y.dtype)])
        return Rows(X, y, np.concatenate([rows.weight, (1 - self.p) * scale]))


if __name__ == "__main__":
    main()
