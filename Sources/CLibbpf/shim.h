/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbpf's headers for Swift, with the kernel's headers for the constants that user space needs,
 * and the POSIX header that Glibc's module leaves out.
 */
#pragma once
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <sys/utsname.h>
