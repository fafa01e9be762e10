#ifndef LAB_SCENARIOS_H
#define LAB_SCENARIOS_H

#define SCENARIO(name, function) void function(void);
#include "scenarios.list"
#undef SCENARIO

#endif
