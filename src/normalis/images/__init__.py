"""Pictures in, maps out: decoding, preparation and its inverse, regions, raw map files."""

from normalis.images.decode import (
    MAX_PIXELS,
    PICTURE_SUFFIXES,
    UNREAD_SUFFIXES,
    Picture,
    is_picture,
    read_mask,
    read_picture,
)
from normalis.images.prepare import Frame, Preparation, Prepared, Rectangle, prepare
from normalis.images.regions import Box, Peak, hot_box, peak
from normalis.images.write import RAW_MAP_SUFFIXES, replacing, write_raw_map

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "RAW_MAP_SUFFIXES",
    "UNREAD_SUFFIXES",
    "Box",
    "Frame",
    "Peak",
    "Picture",
    "Preparation",
    "Prepared",
    "Rectangle",
    "hot_box",
    "is_picture",
    "peak",
    "prepare",
    "read_mask",
    "read_picture",
    "replacing",
    "write_raw_map",
]
