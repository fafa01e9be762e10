# SPDX-License-Identifier: Apache-2.0
"""The error with which the lab gives up."""


class LabError(Exception):
    """The lab cannot run: why, in one sentence for the user."""


class Unavailable(LabError):
    """The archive no longer has a package."""
