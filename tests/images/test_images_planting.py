"""Planted defects: what they change, where, and that nothing else changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalis.errors import SettingsError
from normalis.images.decode import Picture
from normalis.images.ground import look_coarsely
from normalis.images.planting import KINDS, WHOLE_KINDS, Defect, Planted, plant

DISC_ROW, DISC_COLUMN, RADIUS = 90, 120, 55


def planted(
    picture: Picture, kind: str, size: float, *, contrast: float = 1.0, seed: int = 0
) -> Planted:
    generator = np.random.default_rng(seed)
    defect = Defect(kind, size, contrast)
    return plant(picture, defect, ground=look_coarsely(picture), generator=generator)


def disc(*, seed: int = 0) -> Picture:
    """A light, speckled disc with a dark and a bright stripe, on plain blue."""
    rows, columns = np.mgrid[:200, :240]
    inside = np.hypot(rows - DISC_ROW, columns - DISC_COLUMN) <= RADIUS
    pixels = np.full((200, 240, 3), (20, 30, 110), np.uint8)
    pixels[inside] = np.random.default_rng(seed).integers(130, 180, (inside.sum(), 3))
    pixels[inside & (columns % 40 < 4)] = 5
    pixels[inside & (columns % 40 > 36)] = 250
    return Picture(pixels, "RGB")


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Tiny to small, flat to noisy: colour, grey, and grey with 16 bits."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    most = draw(st.sampled_from([1, 60, 256]))
    if draw(st.booleans()):
        grey = generator.integers(0, most * 256, (height, width, 1), dtype=np.int64)
        return Picture(np.broadcast_to(grey.astype(np.uint16), (height, width, 3)).view(), "I;16")
    channels = draw(st.sampled_from([1, 3]))
    colours = generator.integers(0, most, (height, width, channels)).astype(np.uint8)
    return Picture(np.broadcast_to(colours, (height, width, 3)).copy(), "RGB")


kinds = st.sampled_from(KINDS)
sizes = st.floats(0.3, 60.0)
contrasts = st.floats(0.0, 1.0)
seeds = st.integers(0, 1000)


@settings(max_examples=120)
@given(picture=pictures(), kind=kinds, size=sizes, contrast=contrasts, seed=seeds)
def test_nothing_changes_but_inside_the_mask(
    picture: Picture, kind: str, size: float, contrast: float, seed: int
) -> None:
    before = picture.pixels.copy()
    made = planted(picture, kind, size, contrast=contrast, seed=seed)
    assert np.array_equal(picture.pixels, before)
    assert made.picture.pixels.dtype == before.dtype
    assert made.picture.mode == picture.mode
    assert made.mask.shape == before.shape[:2]
    assert made.mask.any()
    assert np.array_equal(made.picture.pixels[~made.mask], before[~made.mask])
    assert before.min() <= made.picture.pixels.min()
    assert made.picture.pixels.max() <= before.max()
    assert not made.picture.pixels.flags.writeable
    if (before == before[:, :, :1]).all():
        assert (made.picture.pixels == made.picture.pixels[:, :, :1]).all(), "grey stays grey"


@settings(max_examples=30)
@given(picture=pictures(), kind=kinds, size=sizes, seed=seeds)
def test_the_same_seed_gives_the_same_bytes(
    picture: Picture, kind: str, size: float, seed: int
) -> None:
    one, other = (planted(picture, kind, size, seed=seed) for _ in range(2))
    assert np.array_equal(one.picture.pixels, other.picture.pixels)
    assert np.array_equal(one.mask, other.mask)


@settings(max_examples=60)
@given(picture=pictures(), kind=kinds, size=sizes, larger=st.floats(1.0, 8.0), seed=seeds)
def test_a_larger_defect_covers_a_smaller(
    picture: Picture, kind: str, size: float, larger: float, seed: int
) -> None:
    small = planted(picture, kind, size, contrast=0.3, seed=seed).mask
    large = planted(picture, kind, size * larger, contrast=1.0, seed=seed).mask
    assert not (small & ~large).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_area_grows_with_the_size(kind: str) -> None:
    areas = [
        planted(disc(), kind, size, seed=3).mask.sum() for size in (3.0, 6.0, 12.0, 24.0, 48.0)
    ]
    assert areas == sorted(set(areas))


@pytest.mark.parametrize("kind", KINDS)
def test_without_contrast_nothing_changes(kind: str) -> None:
    picture = disc()
    made = planted(picture, kind, 20.0, contrast=0.0)
    assert np.array_equal(made.picture.pixels, picture.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_contrast_it_can_be_seen_and_lies_on_the_product(kind: str) -> None:
    picture = disc()
    for seed in range(20):
        made = planted(picture, kind, 9.0, seed=seed)
        change = np.abs(made.picture.pixels.astype(int) - picture.pixels).max(axis=2)
        rows, columns = np.nonzero(made.mask)
        middle = (rows.mean() - DISC_ROW, columns.mean() - DISC_COLUMN)
        assert np.hypot(*middle) <= RADIUS + 3
        assert change.max() > 20, seed


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(WHOLE_KINDS)))
def test_more_contrast_changes_more(kind: str) -> None:
    picture = disc()
    changes = [
        np.abs(planted(picture, kind, 20.0, contrast=c).picture.pixels.astype(int) - picture.pixels)
        for c in (0.1, 0.3, 0.9)
    ]
    totals = [int(change.sum()) for change in changes]
    assert totals == sorted(set(totals))


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_larger_than_the_picture_covers_it(kind: str) -> None:
    made = planted(disc(), kind, 1e7)
    assert made.mask.all()


def test_spots_darken_and_brighten() -> None:
    picture = disc()
    dark, bright = (planted(picture, kind, 20.0).picture.pixels for kind in KINDS[:2])
    assert (dark <= picture.pixels).all()
    assert (bright >= picture.pixels).all()


def half_plane() -> Picture:
    """Half of it white and half black, so that the range is whole; border told from nothing."""
    pixels = np.zeros((300, 300, 3), np.uint8)
    pixels[:, 150:] = 255
    return Picture(pixels, "RGB")


def test_the_diameter_is_that_at_half_depth() -> None:
    for seed in range(30):
        made = planted(half_plane(), "dark spot", 40.0, seed=seed)
        rows, columns = np.nonzero(made.mask)
        if rows.min() == 0 or rows.max() == 299 or columns.min() < 152 or columns.max() == 299:
            continue
        area = (made.picture.pixels[:, 150:, 0] < 128).sum()
        assert 2 * np.sqrt(area / np.pi) == pytest.approx(40.0, rel=0.05)
        return
    pytest.fail("no spot lies whole in the white half")


def test_a_scratch_is_thin_and_as_long_as_said() -> None:
    made = planted(disc(), "scratch", 60.0, seed=5)
    rows, columns = np.nonzero(made.mask)
    length = np.hypot(np.ptp(rows), np.ptp(columns))
    assert 50 <= length <= 66
    assert made.mask.sum() < 60 * 6


def test_a_missing_part_shows_the_ground() -> None:
    picture = disc()
    made = planted(picture, "missing part", 30.0, seed=1)
    away = np.abs(made.picture.pixels.astype(int) - (20, 30, 110)).max(axis=2)
    was = np.abs(picture.pixels.astype(int) - (20, 30, 110)).max(axis=2)
    lost = (away <= 30) & (was > 60)
    assert lost.sum() > 0.2 * made.mask.sum()


def test_a_cut_and_pasted_patch_holds_the_picture_s_own_colours() -> None:
    picture = disc()
    made = planted(picture, "cut-paste", 30.0, seed=2)
    own = {tuple(colour) for colour in picture.pixels.reshape(-1, 3)}
    inside = [tuple(colour) for colour in made.picture.pixels[made.mask]]
    assert np.mean([colour in own for colour in inside]) > 0.8
    assert (made.picture.pixels != picture.pixels).any()


@pytest.mark.parametrize("size", [0.0, -3.0, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused(size: float) -> None:
    with pytest.raises(SettingsError, match="px cannot be planted"):
        Defect("scratch", size, 0.5)


@pytest.mark.parametrize("contrast", [-0.1, 1.1, float("nan")])
def test_a_contrast_outside_its_range_is_refused(contrast: float) -> None:
    with pytest.raises(SettingsError, match="contrast"):
        Defect("scratch", 3.0, contrast)


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match='no defect "dent" to plant; dark spot, bright spot'):
        Defect("dent", 3.0, 0.5)
