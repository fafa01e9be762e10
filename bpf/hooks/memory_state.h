/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on what makes a device's memory answer or not: memory decode (changed through vfio or by
 * the host), resets, and power states.
 */
#pragma once
#include "hooks/device.h"

static __always_inline void emit_pci(uint32_t type, struct pci_dev *pdev, uint32_t value, int ret,
				     uint32_t origin, uint32_t whole_bus)
{
	EMIT (type, vs_pci, r) {
		r->pci = pci_address(pdev);
		r->value = value;
		r->ret = ret;
		r->origin = origin;
		r->whole_bus = whole_bus;
	}
}

/*
 * vfio itself writes to the device through pci_user_write_config_*. The mark keeps host_write from
 * taking that for a write by the host.
 */
static __always_inline void config_write_begin(uint64_t *arg, bool probed)
{
	struct map_state *state = (int)arg[4] == PCI_COMMAND ? map_state(true, probed) : 0;

	if (state)
		state->in_config_write = 1;
}
HOOK_ENTRY(vfio_basic_config_write, config_write_begin)

/* Arguments: vdev, pos, count, perm, offset, val. The resulting COMMAND is read from vconfig. */
static __always_inline void config_write(uint64_t *arg, long ret, bool probed)
{
	struct vfio_pci_core_device *vdev = (void *)arg[0];
	struct pci_dev *pdev = READ_VFIO(probed, vdev, pdev, OFF_PCI_PDEV);
	struct map_state *state = map_state(false, probed);

	if ((int)arg[4] != PCI_COMMAND)
		return;
	if (state)
		state->in_config_write = 0;
	if (has_memory_enable(pdev))
		emit_pci(VS_MEMORY, pdev, user_command(vdev, probed), 0, VS_BY_VFIO, 0);
}
HOOK_EXIT(vfio_basic_config_write, HOOK_CONFIG_WRITE, VS_MEMORY, config_write)

/* Arguments: pdev, pos, val. setpci and other writes of the host, which bypass vfio. */
static __always_inline void host_write(uint64_t *arg, long ret, bool probed)
{
	struct map_state *state;

	if ((int)arg[1] != PCI_COMMAND || (int)ret || !has_memory_enable((void *)arg[0]))
		return;
	state = map_state(false, probed);
	if (state && state->in_config_write)
		return;
	emit_pci(VS_MEMORY, (void *)arg[0], (uint32_t)arg[2] & 0xffff, 0, VS_BY_HOST, 0);
}
HOOK_EXIT(pci_user_write_config_byte, HOOK_HOST_WRITE_BYTE, VS_MEMORY, host_write)
HOOK_EXIT(pci_user_write_config_word, HOOK_HOST_WRITE_WORD, VS_MEMORY, host_write)
HOOK_EXIT(pci_user_write_config_dword, HOOK_HOST_WRITE_DWORD, VS_MEMORY, host_write)

#define RESET_HOOK(fn, id, whole_bus)                                                              \
	static __always_inline void begin_##fn(uint64_t *arg, bool probed)                         \
	{                                                                                          \
		emit_pci(VS_RESET, (void *)arg[0], VS_BEGIN, 0, VS_BY_VFIO, whole_bus);            \
	}                                                                                          \
	HOOK_ENTRY(fn, begin_##fn)                                                                 \
	static __always_inline void end_##fn(uint64_t *arg, long ret, bool probed)                 \
	{                                                                                          \
		emit_pci(VS_RESET, (void *)arg[0], VS_END, ret, VS_BY_VFIO, whole_bus);            \
	}                                                                                          \
	HOOK_EXIT(fn, id, VS_RESET, end_##fn)

RESET_HOOK(pci_try_reset_function, HOOK_RESET_TRY, 0)
RESET_HOOK(__pci_reset_function_locked, HOOK_RESET_LOCKED, 0)
RESET_HOOK(pci_reset_bus, HOOK_RESET_BUS, 1)

/*
 * All power changes come through here: runtime power management, a user's write to the PM
 * capability, and the low-power ioctl. The origin is VFIO if the calling process uses VFIO, else
 * the host.
 */
static __always_inline void power(uint64_t *arg, long ret, bool probed)
{
	struct pci_dev *pdev = (void *)arg[0];

	emit_pci(VS_POWER, pdev, READ(pdev, current_state), ret,
		 is_owner() ? VS_BY_VFIO : VS_BY_HOST, 0);
}
HOOK_EXIT_BTF(__pci_set_power_state, power)
HOOK_EXIT(pci_set_power_state, HOOK_POWER, VS_POWER, power)
HOOK_EXIT(pci_power_up, HOOK_POWER_UP, VS_POWER, power)
