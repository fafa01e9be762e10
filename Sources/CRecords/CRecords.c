// SwiftPM wants one translation unit in a C target; the layout and its proofs are in the header.
#include "records.h"
