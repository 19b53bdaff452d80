public import LibPQ

extension ConnectionInfo {
    /// For work on the mesh in one database. Its sessions write also while the gate of clients is shut
    /// (`default_transaction_read_only`, design/zones.md 1), and their commits wait for no standby: one that is away would
    /// hold up what has to be done before clients may write.
    public func forMeshWork(in database: String) -> ConnectionInfo {
        with("dbname", database).withSetting("default_transaction_read_only", "off")
            .withSetting("synchronous_commit", "local")
            // Questions of many small joins look expensive to the planner: compiling them takes seconds.
            .withSetting("jit", "off")
    }
}
