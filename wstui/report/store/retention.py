"""How long runs are kept: a setting in the store, applied after each run."""

from __future__ import annotations

from dataclasses import dataclass

from wstui.report.store.store import Store

DEFAULT_KEEP = 500
_KEEP, _AGE = "keep_runs", "keep_seconds"


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep the newest `keep` runs (None = all), and none older than `older_than_s` seconds (None = any age)."""

    keep: int | None = DEFAULT_KEEP
    older_than_s: float | None = None


def retention(store: Store) -> Retention:
    keep, age = store.setting(_KEEP), store.setting(_AGE)
    return Retention(
        DEFAULT_KEEP if not keep else None if keep == "all" else int(keep),
        float(age) if age and age != "all" else None,
    )


def set_retention(store: Store, wanted: Retention) -> None:
    store.set(_KEEP, "all" if wanted.keep is None else str(wanted.keep))
    store.set(_AGE, "all" if wanted.older_than_s is None else str(wanted.older_than_s))


def apply_retention(store: Store) -> list[int]:
    """Delete expired runs, except tagged and running ones; return their ids."""
    wanted = retention(store)
    doomed = store.prunable(keep=wanted.keep, older_than_s=wanted.older_than_s)
    if doomed:
        store.delete(doomed)
    return doomed
