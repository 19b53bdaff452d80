/// What a command ends with: `Error: text` on stderr and exit code 1.
package struct ControlError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
