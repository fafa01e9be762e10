// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import Events

/// Attaching hooks: at the start, and again when a module of VFIO is loaded later.
extension Tracer {
    /// Attaches hooks to modules that were loaded since the start. What the modules did before that
    /// was not traced: if anything may have been missed, that is a defect of the evidence.
    func attachLate() {
        facts = KernelFacts()
        let attachedBefore = attached.count
        do throws(TracerError) {
            try attachPending()
        } catch {
            defects.append(
                "hooks could not be attached to VFIO's modules, which were loaded while tracing: \(error.description)")
        }
        guard attached.count > attachedBefore else { return }
        // Attaches counted from now on are traced by the hooks themselves.
        let attaches = domainAttaches()
        if attaches > domainAttachesSeen {
            defects.append("VFIO was in use before its hooks were attached: its modules were loaded while tracing")
            domainAttachesSeen = attaches
        }
        onHooksChanged(session)
    }

    private func domainAttaches() -> UInt64 {
        guard cameBeforeVFIO, let descriptor = loaders.first?.mapDescriptor("domain_attaches") else { return 0 }
        var key: UInt32 = 0
        var count: UInt64 = 0
        return bpf_map_lookup_elem(descriptor, &key, &count) == 0 ? count : 0
    }

    func attachPending() throws(TracerError) {
        var ways: [(hook: HookDefinition, way: HookDefinition.Way)] = []
        var missing: [String] = []
        for hook in HookDefinition.all where attached[hook.name] == nil && isWanted(hook) {
            if let way = facts.way(for: hook) {
                ways.append((hook, way))
            } else if hook.isEssential {
                missing.append(hook.ways[0].function)
            }
        }
        if !missing.isEmpty, facts.hasType1, facts.hasVFIOPCI {
            throw .unsupportedKernel(release: facts.release, missing: missing)
        }
        let loader = try load(Set(ways.flatMap(\.way.programs)))
        guard let loader else { return }
        var attachedWays: Set<[String]> = []
        for (hook, way) in ways {
            // Two hooks can use the same program; it is attached once.
            let reason = attachedWays.contains(way.programs) ? nil : loader.attach(way)
            if let reason {
                if hook.isEssential { throw .attachFailed(function: way.function, reason: reason) }
                refused[hook.name] = reason
            } else {
                attachedWays.insert(way.programs)
                attached[hook.name] = way
                for name in way.programs { loader.programDescriptor(name).map { account.watch(name, $0) } }
            }
        }
    }

    /// Loads the programs of `hooks` and, as soon as VFIO is loaded, those of the snapshot in the
    /// same object: for each object, libbpf reads the kernel's whole BTF.
    private func load(_ hooks: Set<String>) throws(TracerError) -> BPFLoader? {
        var settings = Settings(
            ringBytes: options.ringBytes, windows: PCIScan.windows(), injectLoss: options.injectLoss)
        let takesSnapshots = facts.hasType1 && facts.hasVFIOPCI && snapshotter == nil && snapshotRefusal == nil
        guard !hooks.isEmpty || takesSnapshots else { return nil }
        if takesSnapshots {
            settings.directMap = MemoryLayoutScan.directMap()
            settings.pageTableLevels = MemoryLayoutScan.pageTableLevels(directMap: settings.directMap)
            settings.linearMap = MemoryLayoutScan.hasVTd ? settings.directMap : 0
            settings.groupMajor = MemoryLayoutScan.major(of: "vfio")
            settings.nodeMajor = MemoryLayoutScan.major(of: "vfio-dev")
            let scan = facts.canScanForKeptBars && settings.pageTableLevels > 0 ? KeptBarWatch.programs : []
            // If the kernel refuses the scan for kept BARs, load without it: a snapshot works
            // without.
            for extra in scan.isEmpty ? [[]] : [scan, []] {
                do throws(TracerError) {
                    let programs = hooks.union(SnapshotPrograms.names(facts)).union(extra)
                    let loader = try BPFLoader(
                        programs: programs, settings: settings, sharing: loaders.first, facts: facts)
                    loaders.append(loader)
                    if extra.isEmpty {
                        keptBarRefusal = scan.isEmpty ? nil : "find_kept_bars was refused"
                    } else {
                        watchKeptBars(loader)
                    }
                    snapshotter = try Snapshotter(facts: facts, settings: settings, loader: loader) { [unowned self] in
                        consume()
                    }
                    snapshotRefusal = nil
                    return loader
                } catch {
                    // If a hook's program caused it, the load below fails too and throws.
                    snapshotRefusal = error
                }
            }
            guard !hooks.isEmpty else { return nil }
        }
        let loader = try BPFLoader(programs: hooks, settings: settings, sharing: loaders.first, facts: facts)
        loaders.append(loader)
        return loader
    }

    private func watchKeptBars(_ loader: BPFLoader) {
        keptBars = KeptBarWatch(
            loader: loader, consume: { [unowned self] in consume() },
            counts: { [unowned self] in (account.read().dropped, account.submitted(VS_KEPT_BAR)) })
    }

    func isWanted(_ hook: HookDefinition) -> Bool {
        (options.followsChildren || !hook.followsCommand) && (cameBeforeVFIO || !hook.watchesForVFIO)
    }
}
