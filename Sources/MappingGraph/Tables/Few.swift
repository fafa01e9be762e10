// SPDX-License-Identifier: Apache-2.0
/// A list that nearly always has one element. The first element is stored in place, without the
/// heap.
public struct Few<Element: Sendable>: RandomAccessCollection, MutableCollection, ExpressibleByArrayLiteral, Sendable {
    @usableFromInline var head: Element?
    /// The elements after the first.
    @usableFromInline var tail: [Element] = []

    @inlinable public init() {}

    @inlinable public init(_ elements: some Sequence<Element>) {
        for element in elements { append(element) }
    }

    /// The results of `transform` for each element, in order.
    init<Source>(_ sources: some Sequence<Source>, _ transform: (Source) -> Element) {
        for source in sources { append(transform(source)) }
    }

    @inlinable public init(arrayLiteral elements: Element...) { self.init(elements) }

    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { head == nil ? 0 : tail.count + 1 }

    /// - Precondition: `index` is in `indices`.
    @inlinable public subscript(index: Int) -> Element {
        get { index == 0 ? head! : tail[index - 1] }
        set { if index == 0 { head = newValue } else { tail[index - 1] = newValue } }
    }

    @inlinable public mutating func append(_ element: Element) {
        if head == nil { head = element } else { tail.append(element) }
    }

    /// - Precondition: `index` is in `indices`.
    @inlinable @discardableResult public mutating func remove(at index: Int) -> Element {
        guard index == 0 else { return tail.remove(at: index - 1) }
        defer { head = tail.isEmpty ? nil : tail.removeFirst() }
        return head!
    }
}

extension Few: Equatable where Element: Equatable {}
