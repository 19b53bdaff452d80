import Glibc

/// Whoever sits before the command, if anybody does.
enum Terminal {
    /// Asks for a password without showing it; nil when nobody can be asked, or nothing was typed.
    static func password() -> String? {
        guard isatty(STDIN_FILENO) == 1, let typed = getpass("Please enter the user password: ") else { return nil }
        let text = String(cString: typed)
        return text.isEmpty ? nil : text
    }
}
