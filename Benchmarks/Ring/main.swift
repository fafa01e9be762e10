// SPDX-License-Identifier: Apache-2.0
// ring-bench PRODUCER.o ROUNDS MODE: runs a BPF program that fills a real ring, and reads the ring
// as the tool does. Prints nanoseconds of CPU time for a record.
import Events
import Findings
import Glibc
import Kernel
import MappingGraph

let arguments = CommandLine.arguments
guard arguments.count == 4, let rounds = Int(arguments[2]), let mode = Mode(rawValue: arguments[3]) else {
    print("ring-bench PRODUCER.o ROUNDS count|decode|graph|rules")
    exit(2)
}
guard let producer = Producer(arguments[1]), let ring = RingReader(descriptor: producer.ring, bytes: Producer.ringBytes)
else {
    print("cannot load \(arguments[1]): run this as root")
    exit(2)
}
var consumer = Consumer(mode)
var spent: UInt64 = 0
var records = 0
for _ in 0..<rounds {
    producer.fill()
    let began = cpuTime()
    records += consumer.drain(ring)
    spent += cpuTime() - began
}
print(
    "{\"records\": \(records), \"ns\": \(Double(spent) / Double(records)), \"mappings\": \(consumer.mappings), "
        + "\"check\": \(consumer.check)}"
)
