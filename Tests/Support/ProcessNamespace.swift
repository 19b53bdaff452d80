/// A pid namespace of its own, as a container has: what is started in it first is process 1 there.
public enum ProcessNamespace {
    /// To be put before a command. The namespace ends with its process 1, whose exit code is the launcher's; signals for
    /// it are not for the launcher.
    public static let launcher = [
        "/usr/bin/unshare", "--map-current-user", "--pid", "--fork", "--mount-proc", "--kill-child",
    ]
}
