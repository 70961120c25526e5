"""The published figures, as their papers' own means confirm them."""

from statistics import mean

import pytest

from normalis.suites import PublishedTable, published_tables

WITH_ROWS = [
    pytest.param(table, id=f"{table.method} on {table.data}")
    for table in published_tables()
    if table.rows
]


@pytest.mark.parametrize("table", WITH_ROWS)
def test_the_rows_have_the_published_mean(table: PublishedTable) -> None:
    """A slip of the pen in one of the classes shows in the mean, which is given to one decimal."""
    for i in (0, 1):
        assert mean(row[i] for row in table.rows.values()) == pytest.approx(table.mean[i], abs=0.06)


def test_two_methods_on_one_set_have_the_same_classes() -> None:
    by_data: dict[str, set[frozenset[str]]] = {}
    for table in published_tables():
        if table.rows:
            by_data.setdefault(table.data, set()).add(frozenset(table.rows))
    assert {data: len(classes) for data, classes in by_data.items()} == dict.fromkeys(by_data, 1)
    sizes = {data: len(next(iter(classes))) for data, classes in by_data.items()}
    assert sizes == {"MVTec AD": 15, "VisA": 12, "BTAD": 3, "MVTec 3D-AD": 10}


def test_a_class_belongs_to_its_data_set() -> None:
    """Cookie is a class of MVTec 3D-AD, and not of every set that has a folder of this name."""
    assert not any("cookie" in table.rows for table in published_tables(["MVTec AD"]))
    (table,) = published_tables(["MVTec 3D-AD"])
    assert (table.method, table.rows["cookie"]) == ("HGAD", (73.4, 96.6))
    assert published_tables([]) == ()


def test_each_method_has_one_table_for_a_data_set() -> None:
    names = [(table.method, table.data) for table in published_tables()]
    assert len(names) == len(set(names))
