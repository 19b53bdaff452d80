import AdminModel

extension Measurements {
    /// What a look does for each member beside the decision: its record is read, and the own one written.
    func addRecords() {
        let text =
            #"{"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni","state":"running","#
            + #""role":"replica","version":"4.1.5","tags":{"failover_priority":2},"xlog_location":67406848,"#
            + #""replay_lsn":67406848,"receive_lsn":67406848,"replication_state":"streaming","timeline":1,"#
            + #""matriarch":{"version":"1.0.0","keeper":"attached","epoch":12,"session_timeout_ms":10000}}"#
        let znode = Array(text.utf8)
        guard let record = try? MemberRecord(znode: znode), record.json.znode == znode else {
            preconditionFailure("the record is not read as it is written")
        }
        add("member's record: read") { _ in try? MemberRecord(znode: znode) }
        add("member's record: write") { _ in record.json.znode }
    }
}
