// SPDX-License-Identifier: Apache-2.0
/// The version of this vfioscope, as `--version`, recordings and timelines show it.
public let toolVersion = "0.1.0"
