/* SPDX-License-Identifier: Apache-2.0 */
// Compiles records.h once: SwiftPM requires a source file in a C target, and the header's static
// assertions are checked here.
#include "records.h"
