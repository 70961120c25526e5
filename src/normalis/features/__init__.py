"""Backbone features on disk: computed once per picture, shared by runs and processes."""

from normalis.features.cache import StoreInfo, cache_folder, clear_cache, list_stores
from normalis.features.extract import FeatureTable, extract_features
from normalis.features.store import FeatureStore

__all__ = [
    "FeatureStore",
    "FeatureTable",
    "StoreInfo",
    "cache_folder",
    "clear_cache",
    "extract_features",
    "list_stores",
]
