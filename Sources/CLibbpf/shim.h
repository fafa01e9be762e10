/* libbpf's headers for Swift, and the POSIX header that Glibc's module leaves out. */
#pragma once
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>
