"""What `--help` tells of each command beside its words."""

__all__ = [
    "DESCRIPTION",
    "EPILOG",
    "EVALUATE",
    "EVALUATE_EPILOG",
    "FIT",
    "FIT_EPILOG",
    "IMPUTE",
    "IMPUTE_EPILOG",
    "INFO",
    "INFO_EPILOG",
    "RESAMPLE",
    "RESAMPLE_EPILOG",
    "SAMPLE",
    "SAMPLE_EPILOG",
]

DESCRIPTION = """\
Learns a table or series and draws new ones of the same kind; balances rare classes; judges synthetic tables.

Tables are CSV (also .csv.gz), Parquet, Arrow or Feather files, told by the ending of their name. '-' is the
standard input or output. Progress goes to the standard error.
"""
EPILOG = """\
a first try:
  tabdiff fit customers.csv -o model/ --target churned --max-seconds 120
  tabdiff sample model/ -n 1000 -o new.csv --where "churned=1"
  tabdiff evaluate --train customers.csv --synthetic new.csv -o report.html

exit codes: 0 done, 1 a verdict that --fail-on names is bad, 2 wrong usage or input, 130 interrupted.
'tabdiff COMMAND --help' tells more of each command.
"""
FIT = """\
Learns the table DATA and writes the model into a folder: weights and JSON, no row of the table.

The columns need no preparation: numbers, texts, categories, booleans, dates and times, with or without
missing cells. 'tabdiff info' shows what they were taken for; --schema overrules it.

With --entity the rows are steps of series, such as the transactions of cards, and whole series are learned.
Their --target is a column of --context, or one of the steps, such as a fraud flag: it then stands for the
rarest of its values in a series. --update, --checkpoint and --resume are for rows alone.
"""
FIT_EPILOG = """\
examples:
  tabdiff fit transactions.parquet -o model/ --target is_fraud
  tabdiff fit people.csv -o model/ --schema zip=categorical --max-seconds 300 --seed 0
  tabdiff fit week_23.parquet -o model_23/ --update model_22/
  tabdiff fit big.parquet -o model/ --checkpoint ckpt/ --resume
  tabdiff fit payments.parquet -o model/ --entity card --time when --context country segment
  tabdiff fit load.csv -o model/ --time hour
"""
SAMPLE = """\
Draws N new rows with the columns and types of the table that was learned.

They are written batch after batch: memory does not grow with N. A folder as OUT (a name that ends with '/')
receives Parquet parts.

Of a model of series N is the number of series, or of steps if it has learned a single one, and they are drawn
all at once. Conditions are then on columns of the context and the target.
"""
SAMPLE_EPILOG = """\
conditions (several --where must all hold):
  col=value   col in a,b   col=10..500   col>=10   col<=500   col>10   col<5
  col is missing   col is not missing
Times are in ISO form (2024-12-31, 2024-12-31T23:59). Names and values with spaces or signs stand in double
quotes: --where '"my col"=3'.

examples:
  tabdiff sample model/ -n 10_000 -o new.parquet --seed 1
  tabdiff sample model/ -n 500 -o frauds.csv --where "is_fraud=1" --where "amount=100..5000"
  tabdiff sample model/ -n 10_000_000 -o parts/ --no-missing
  tabdiff sample model/ -n 5 -o - | head
  tabdiff sample series_model/ -n 1_000 -o cards.parquet --where "country in AT,CH"
"""
IMPUTE = """\
Fills the missing cells of DATA with draws from the model, given the other cells of each row or series.

Cells that are not missing stay as they are, and so do missing cells of a series' context. One draw is no best
guess: for standard errors, impute several times with other seeds.
"""
IMPUTE_EPILOG = """\
examples:
  tabdiff impute model/ gaps.csv -o filled.csv --seed 0
  cat gaps.csv | tabdiff impute model/ - -o - > filled.csv
"""
RESAMPLE = """\
Learns DATA and adds synthetic rows of its rare classes, in the place of SMOTE. The rows of DATA come first.

Resample the training part only, never the rows a classifier is tested on. A ratio well below 1 often serves a
classifier better than full balance; --strategy tuned finds one, and says on standard error what it found.
"""
RESAMPLE_EPILOG = """\
examples:
  tabdiff resample train.parquet --target is_fraud --ratio 0.1 -o balanced.parquet
  tabdiff resample train.csv --target class --strategy "not majority" --mark synthetic -o balanced.csv
  tabdiff resample train.csv --target class --strategy tuned -o more.csv
"""
EVALUATE = """\
Judges a synthetic table, whoever made it: is it faithful, does it help a classifier, does it leak rows?

Utility and privacy need a holdout: real rows of the same kind that the generator has never seen. Of series it
is other entities, with all of their rows.
"""
EVALUATE_EPILOG = """\
examples:
  tabdiff evaluate --train train.csv --synthetic new.csv --holdout test.csv --target churned -o report.html
  tabdiff evaluate --train a.parquet --synthetic b.parquet -o report.json --budget fast
  tabdiff evaluate --train a.csv --synthetic b.csv --holdout c.csv -o r.html --fail-on privacy,fidelity
  tabdiff evaluate --train a.csv --synthetic b.csv --holdout c.csv -o r.html --entity card --time when
"""
INFO = """\
Shows what a model has learned: columns, classes, training, versions, size.
"""
INFO_EPILOG = """\
examples:
  tabdiff info model/
"""
