// SPDX-License-Identifier: Apache-2.0
import Findings
import MappingGraph
import Policies

/// Hands findings to the observer, except those that a policy allows.
@usableFromInline
struct Reporter<Observer: PipelineObserver & ~Copyable>: ~Copyable {
    @usableFromInline var observer: Observer
    /// nil without a policy.
    @usableFromInline var judge: PolicyJudge?

    @usableFromInline
    init(observer: consuming Observer, judge: PolicyJudge?) {
        self.observer = observer
        self.judge = judge
    }

    @usableFromInline
    mutating func report(_ finding: Finding, _ graph: borrowing Graph) {
        guard judge != nil else { return observer.finding(JudgedFinding(finding), graph: graph) }
        guard let judged = judge!.judge(finding, graph: graph) else { return }
        observer.finding(judged, graph: graph)
    }
}
