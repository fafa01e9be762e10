/* SPDX-License-Identifier: Apache-2.0 */
/* Declares the scenarios and helpers of scenarios.list. */
#ifndef LAB_SCENARIOS_H
#define LAB_SCENARIOS_H

/*
 * A scenario is run and checked on its own; a helper is part of one, or of a step of
 * guest/commands.
 */
#define HELPER SCENARIO
#define SCENARIO(name, function) void function(void);
#include "scenarios.list"
#undef SCENARIO

#endif
