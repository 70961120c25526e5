"""Benchmark suites: what is to be fitted and evaluated, and what came of it."""

from normalis.suites.outcome import Benchmark, FitRecord, NotRun, Outcome, RunRecord
from normalis.suites.published import PublishedTable, published_tables
from normalis.suites.suite import Run, Suite, SuiteData, Variant, read_suite, shipped_suites

__all__ = [
    "Benchmark",
    "FitRecord",
    "NotRun",
    "Outcome",
    "PublishedTable",
    "Run",
    "RunRecord",
    "Suite",
    "SuiteData",
    "Variant",
    "published_tables",
    "read_suite",
    "shipped_suites",
]
