"""Every error a user can meet, in one tree.

::

    NormalisError
    ├── ImageError        a picture cannot be read, or is outside the bounds
    ├── DatasetError      a folder or manifest is not what its layout promises
    ├── WeightsError      a backbone's weights are missing or do not fit
    ├── StoreError        the feature cache cannot be written or read
    ├── SettingsError     an unknown setting, or a value that is not allowed
    ├── FitError          the data at hand cannot train or calibrate a model
    ├── BundleError       a saved model is altered, foreign or of a newer format
    ├── ExportError       a model cannot be exported, or what runs it is not installed
    └── ResultError       a finished evaluation cannot be read, or is in the way

Each message is one sentence or two: what was given (with the file), what is allowed, what to do.
"""

__all__ = [
    "BundleError",
    "DatasetError",
    "ExportError",
    "FitError",
    "ImageError",
    "NormalisError",
    "ResultError",
    "SettingsError",
    "StoreError",
    "WeightsError",
]


class NormalisError(Exception):
    """The base of all errors that normalis raises for a user's input."""


class ImageError(NormalisError):
    """A picture cannot be read, or is outside the bounds."""


class DatasetError(NormalisError):
    """A folder or manifest is not what its layout promises."""


class WeightsError(NormalisError):
    """A backbone's weights are missing or do not fit."""


class StoreError(NormalisError):
    """The feature cache cannot be written or read."""


class SettingsError(NormalisError):
    """An unknown setting, or a value that is not allowed."""


class FitError(NormalisError):
    """The data at hand cannot train or calibrate a model."""


class BundleError(NormalisError):
    """A saved model is altered, foreign or of a newer format."""


class ExportError(NormalisError):
    """A model cannot be exported, or what runs it is not installed."""


class ResultError(NormalisError):
    """A finished evaluation cannot be read, or is in the way."""
