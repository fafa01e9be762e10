// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// One object for every kernel from 5.10 on: user space loads the programs that the running kernel can attach (README.md).
#include "hooks/container.h"
#include "hooks/group.h"
#include "hooks/device.h"
#include "hooks/type1_map.h"
#include "hooks/type1_unmap.h"
#include "hooks/memory_state.h"
#include "hooks/driver.h"
#include "hooks/process.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
