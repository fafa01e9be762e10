/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Fixed-width integers for BPF programs, which have no libc: the kernel's own __uN types under
 * their C names.
 */
#pragma once
#include <linux/types.h>

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __s32 int32_t;
typedef __u64 uint64_t;
typedef __s64 int64_t;

typedef _Bool bool;
enum { false = 0, true = 1 };
